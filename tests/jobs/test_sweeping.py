"""What time brings about: leases that ran out, deadlines that passed."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from apps.core.actors import Actor
from apps.core.errors import NotAllowed
from apps.jobs import services, tasks
from apps.jobs.models import Execution, ExecutionStatus, Job, JobStatus, Plane
from tests import make
from tests.jobs.reports import due, fail, finish, job_of, lose, run_out, told

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def steady_plane():
    """The plane has ticked all along."""
    Plane.objects.update(ticked_at=Now(), gap_ended_at=None, frozen_until=None)


def claimed_job(**fields):
    job = make.job(make.process(**fields))
    return make.claimed(make.session(make.robot(of=job.tenant)))


def test_a_lease_that_ran_out_is_lost_and_its_job_tried_again_later():
    execution = make.running_job(make.process(max_attempts=2))

    lose(execution)

    job = job_of(execution)
    assert (execution.status, execution.reason) == (ExecutionStatus.LOST, "lost")
    assert (job.status, job.reason, job.last_robot) == (JobStatus.PENDING, "lost", execution.robot)
    assert told(execution) == ["execution.lost"]


def test_a_lease_that_still_runs_is_left_alone(system):
    execution = make.running_job()

    assert not services.sweep_execution(execution, actor=system)
    assert job_of(execution).status == JobStatus.RUNNING


def test_a_sweep_that_saw_a_lease_before_it_was_renewed_leaves_it(system):
    execution = make.running_job()
    run_out(execution)
    seen = Execution.objects.overdue().get()
    services.renew_leases(execution.robot, actor=system)

    assert not services.sweep_execution(seen, actor=system)
    assert job_of(execution).status == JobStatus.RUNNING


def test_a_sweep_that_saw_a_lease_before_its_result_came_leaves_the_result(system):
    execution = make.running_job()
    run_out(execution)
    seen = Execution.objects.overdue().get()
    finish(execution)

    assert not services.sweep_execution(seen, actor=system)
    assert job_of(execution).status == JobStatus.COMPLETED


def test_sweeping_twice_closes_once(system):
    execution = make.running_job(make.process(max_attempts=3))
    run_out(execution)
    one, other = Execution.objects.overdue().get(), Execution.objects.overdue().get()

    assert services.sweep_execution(one, actor=system)
    assert not services.sweep_execution(other, actor=system)
    assert told(job_of(execution)).count("job.requeued") == 1


def test_what_was_not_begun_in_time_is_tried_elsewhere_though_its_lease_is_renewed(system):
    execution = claimed_job(max_attempts=2)
    Execution.objects.filter(pk=execution.pk).update(start_by=Now() - timedelta(seconds=1))

    assert services.sweep_execution(execution, actor=system)

    execution.refresh_from_db()
    assert (execution.status, execution.reason) == (ExecutionStatus.LOST, "not_started")
    assert job_of(execution).status == JobStatus.PENDING


def test_what_never_began_does_not_count_towards_poison():
    job = make.job(make.process(max_attempts=9, backoff_base=0))
    for _ in range(3):
        lose(make.claimed(make.session(make.robot(of=job.tenant))))
        due(job)

    job.refresh_from_db()
    assert (job.status, job.reason) == (JobStatus.PENDING, "not_started")


def test_a_job_that_takes_two_robots_with_it_is_poison():
    process = make.process(max_attempts=9, backoff_base=0)
    first = lose(make.running_job(process))
    session = make.session(make.robot(of=process.tenant))
    due(job_of(first))

    lose(services.start_execution(make.claimed(session), actor=make.acting(session.robot)))

    job = job_of(first)
    assert (job.status, job.reason) == (JobStatus.FAILED, "poison")


def test_a_job_that_takes_three_tries_of_one_robot_with_it_is_poison():
    process = make.process(max_attempts=9, backoff_base=0)
    job = make.job(process)
    session = make.session(make.robot(of=process.tenant))
    seen = []
    for _ in range(3):
        lose(services.start_execution(make.claimed(session), actor=make.acting(session.robot)))
        seen.append(due(job).status)

    assert seen == [JobStatus.PENDING, JobStatus.PENDING, JobStatus.FAILED]
    assert job.reason == "poison"


def test_the_last_attempt_lost_fails_the_job():
    execution = lose(make.running_job(make.process(max_attempts=1)))

    assert (job_of(execution).status, job_of(execution).reason) == (JobStatus.FAILED, "lost")


@pytest.mark.parametrize(("on_lost", "status"), [("hold", JobStatus.WAITING), ("fail", JobStatus.FAILED)])
def test_its_process_says_what_becomes_of_a_lost_job(on_lost, status):
    execution = lose(make.running_job(make.process(on_lost=on_lost, max_attempts=3)))

    assert (job_of(execution).status, job_of(execution).reason) == (status, "lost")


@pytest.mark.parametrize("facts", [{"kill_asked_at": Now()}, {"timeout_at": Now() - timedelta(seconds=1)}])
def test_a_lease_that_ran_out_after_the_job_s_time_was_a_time_out(facts):
    execution = make.running_job(make.process(max_attempts=2))
    Execution.objects.filter(pk=execution.pk).update(**facts)

    lose(execution)

    assert (execution.reason, job_of(execution).reason) == ("timeout", "timeout")


def test_a_pending_job_past_its_deadline_has_expired(system):
    job = make.job(start_by=60)
    assert not services.expire_job(job, actor=system)
    Job.objects.filter(pk=job.pk).update(start_deadline=Now())

    assert services.expire_job(job, actor=system)

    job.refresh_from_db()
    assert (job.status, job.reason) == (JobStatus.FAILED, "expired")
    assert "Why?" in job.error["message"]
    assert told(job) == ["job.created", "job.failed", "job.expired"]


def test_expiring_twice_expires_once(system):
    job = make.job(start_by=60)
    Job.objects.filter(pk=job.pk).update(start_deadline=Now())
    services.expire_job(job, actor=system)

    assert not services.expire_job(job, actor=system)


def test_a_running_job_does_not_expire(system):
    execution = make.running_job(start_by=60)
    Job.objects.filter(pk=execution.job_id).update(start_deadline=Now())

    assert not services.expire_job(execution.job, actor=system)


def test_a_job_that_began_in_time_is_tried_again_after_its_deadline(system):
    execution = make.running_job(make.process(max_attempts=2), start_by=60)
    fail(execution)
    Job.objects.filter(pk=execution.job_id).update(start_deadline=Now())

    assert not services.expire_job(job_of(execution), actor=system)


def test_the_tick_sweeps_and_remembers_that_it_did():
    execution = make.running_job()
    run_out(execution)

    assert tasks.sweep_leases() == 1

    assert job_of(execution).reason == "lost"
    assert Plane.objects.get().swept_at is not None


@pytest.mark.parametrize(
    "facts",
    [
        {"ticked_at": Now() - timedelta(seconds=16)},
        {"gap_ended_at": Now() - timedelta(seconds=89)},
        {"frozen_until": Now() + timedelta(seconds=1)},
    ],
)
def test_an_outage_of_ours_is_not_blamed_on_robots(facts):
    execution = make.running_job()
    run_out(execution)
    Plane.objects.update(**facts)

    assert tasks.sweep_leases() == 0
    assert job_of(execution).status == JobStatus.RUNNING


def test_a_whole_lease_after_the_outage_sweeping_goes_on():
    execution = make.running_job()
    run_out(execution)
    Plane.objects.update(gap_ended_at=Now() - timedelta(seconds=91))

    assert tasks.sweep_leases() == 1


def test_deadlines_have_a_tick_too():
    job = make.job(start_by=60)
    Job.objects.filter(pk=job.pk).update(start_deadline=Now())

    assert tasks.sweep_start_deadlines() == 1
    assert tasks.sweep_start_deadlines() == 0


@pytest.mark.parametrize(
    "operation",
    [
        lambda execution, actor: services.sweep_execution(execution, actor=actor),
        lambda execution, actor: services.expire_job(execution.job, actor=actor),
        lambda execution, actor: services.note_sweep(Plane.objects.get(), actor=actor),
    ],
)
def test_who_may_only_look_may_not_sweep(operation):
    execution = make.running_job()
    viewer = Actor.person(make.user("jobs.view_job", inside=execution.tenant))

    with pytest.raises(NotAllowed):
        operation(execution, viewer)
