"""The end of an execution as its robot reports it: the decision table, row by row."""

import uuid
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from apps.core.errors import NotAllowed, NotFound
from apps.events.models import Event
from apps.jobs import services
from apps.jobs.models import Execution, ExecutionStatus, Job, JobStatus, LateResult, Plane
from apps.jobs.rules.reports import End
from apps.jobs.services import Answer, Decision
from tests import make
from tests.jobs.reports import due, fail, finish, job_of, kept, lose, report, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def execution():
    return make.running_job(make.process(max_attempts=3, backoff_base=0))


def tried_again(execution):
    """The next execution of the same job, begun by another robot."""
    due(job_of(execution))
    session = make.session(make.robot(of=execution.tenant))
    return services.start_execution(make.claimed(session), actor=make.acting(session.robot))


# Open, and the lease matches.


def test_a_success_is_accepted_and_completes_the_job(execution):
    assert finish(execution, result={"rows": 3}, exit_code=0, usage={"cpu_seconds": 1}) == Decision(Answer.ACCEPTED)

    job = job_of(execution)
    execution.refresh_from_db()
    assert (job.status, job.reason, job.result) == (JobStatus.COMPLETED, "", {"rows": 3})
    assert (execution.status, execution.outcome, execution.exit_code) == ("completed", "completed", 0)
    assert job.finished_at is not None
    assert execution.finished_at is not None
    assert told(job) == ["job.created", "job.claimed", "job.started", "job.completed"]


def test_a_failure_that_another_try_may_mend_puts_the_job_in_line_again(execution):
    assert fail(execution).answer == Answer.ACCEPTED

    job = job_of(execution)
    execution.refresh_from_db()
    assert (job.status, job.reason, job.last_robot) == (JobStatus.PENDING, "application_error", execution.robot)
    assert (execution.status, execution.reason) == (ExecutionStatus.FAILED, "application_error")
    assert job.error["message"] == "no"


def test_a_failure_without_attempts_left_fails_the_job():
    execution = make.running_job(make.process(max_attempts=1))

    fail(execution, "business_error")

    job = job_of(execution)
    assert (job.status, job.reason, job.error["code"]) == (JobStatus.FAILED, "business_error", "business_error")


def test_a_code_we_do_not_know_counts_as_an_application_error():
    execution = make.running_job(make.process(max_attempts=1))

    fail(execution, "weird")

    assert job_of(execution).reason == "application_error"


def test_an_overdue_lease_still_counts_while_nobody_has_swept_it(execution):
    Execution.objects.filter(pk=execution.pk).update(expires_at=Now() - timedelta(days=1))

    assert finish(execution) == Decision(Answer.ACCEPTED)


def test_a_success_that_was_never_said_to_have_begun_counts(execution):
    Execution.objects.filter(pk=execution.pk).update(started_at=None)

    assert finish(execution) == Decision(Answer.ACCEPTED)


# The same report again.


def test_the_same_report_again_is_a_duplicate_and_changes_nothing(execution):
    finish(execution, result=1)
    before = job_of(execution).finished_at

    assert finish(execution, result=1) == Decision(Answer.DUPLICATE)

    assert job_of(execution).finished_at == before
    assert told(job_of(execution)).count("job.completed") == 1
    assert kept(execution) == []


def test_the_same_failure_again_is_a_duplicate_though_the_job_went_on(execution):
    fail(execution)
    tried_again(execution)

    assert fail(execution).answer == Answer.DUPLICATE
    assert job_of(execution).status == JobStatus.RUNNING


# Another report of a lease that has a result.


@pytest.mark.parametrize(("outcome", "result"), [(End.COMPLETED, "other"), (End.FAILED, None)])
def test_another_end_of_the_same_lease_is_a_conflict_that_is_kept(execution, outcome, result):
    finish(execution, result="one")

    assert finish(execution, outcome, result=result).answer == Answer.CONFLICT

    assert job_of(execution).result == "one"
    assert kept(execution) == ["conflict"]


def test_two_ends_of_one_lease_put_the_robot_aside(execution):
    finish(execution, result="one")
    finish(execution, result="other")

    execution.robot.refresh_from_db()
    assert execution.robot.error == "it reported two different ends of one lease"
    assert "execution.conflict" in told(execution)
    assert "robot.error" in told(execution.robot)


def test_a_late_result_that_comes_twice_is_kept_once(execution):
    finish(execution, result="one")
    finish(execution, result="other")

    assert finish(execution, result="other").answer == Answer.CONFLICT
    assert kept(execution) == ["conflict"]


# Lost.


def test_a_late_success_counts_while_nobody_has_begun_again(execution):
    lose(execution)

    assert finish(execution, result=7) == Decision(Answer.ACCEPTED, adopted=True)

    execution.refresh_from_db()
    job = job_of(execution)
    assert (execution.status, execution.outcome) == (ExecutionStatus.ADOPTED, "completed")
    assert (job.status, job.reason, job.result) == (JobStatus.COMPLETED, "adopted", 7)


def test_a_late_success_settles_a_job_that_is_held_because_of_it():
    execution = lose(make.running_job(make.process(on_lost="hold")))

    assert finish(execution).adopted
    assert job_of(execution).status == JobStatus.COMPLETED


def test_an_adopted_report_again_is_a_duplicate(execution):
    lose(execution)
    finish(execution)

    assert finish(execution) == Decision(Answer.DUPLICATE, adopted=True)
    assert told(job_of(execution)).count("job.completed") == 1


@pytest.mark.parametrize("outcome", [End.FAILED, End.CANCELLED])
def test_a_late_end_of_another_kind_is_kept_and_not_adopted(execution, outcome):
    lose(execution)

    assert finish(execution, outcome).answer == Answer.LATE

    assert kept(execution) == ["late"]
    assert job_of(execution).status == JobStatus.PENDING


def test_a_late_success_is_kept_when_somebody_has_begun_again(execution):
    lose(execution)
    again = tried_again(execution)

    assert finish(execution).answer == Answer.LATE

    again.refresh_from_db()
    assert again.status == ExecutionStatus.RUNNING
    assert kept(execution) == ["late"]


def test_a_late_success_is_kept_when_the_newer_try_was_given_back(execution):
    lose(execution)
    again = tried_again(execution)
    services.release_execution(again, actor=make.acting(again.robot))

    assert finish(execution).answer == Answer.LATE
    assert job_of(execution).status == JobStatus.PENDING


def test_a_late_success_is_kept_when_the_job_has_ended():
    execution = lose(make.running_job(make.process(max_attempts=1)))

    assert finish(execution).answer == Answer.LATE
    assert job_of(execution).reason == "lost"


# Revoked, unknown, another's.


def test_the_result_of_a_job_that_was_taken_away_is_kept(execution):
    services.kill_job(execution.job, actor=make.SYSTEM)

    assert finish(execution).answer == Answer.REVOKED
    assert kept(execution) == ["revoked"]


def test_a_lease_the_database_forgot_is_kept_beside_its_job(execution):
    told_of = report(execution)
    forgotten = uuid.uuid4()

    decision = services.finish_execution(
        execution.robot, actor=make.acting(execution.robot), lease_id=forgotten, report=told_of
    )

    late = LateResult.objects.get(lease_id=forgotten)
    assert (decision.answer, late.kind, late.job_id) == (Answer.UNKNOWN_LEASE, "unknown_lease", execution.job_id)
    assert job_of(execution).status == JobStatus.RUNNING


def of_a_job_nobody_knows(robot):
    lease = uuid.uuid4()
    told_of = services.Report(job_id=uuid.uuid4(), number=1, outcome=End.COMPLETED, digest="d", result={"rows": 3})
    return lease, services.finish_execution(robot, actor=make.acting(robot), lease_id=lease, report=told_of)


def test_after_a_fall_back_the_result_of_a_job_nobody_knows_is_kept(execution):
    Plane.objects.update(epoch_raised_at=Now())

    lease, decision = of_a_job_nobody_knows(execution.robot)

    late = LateResult.objects.get(lease_id=lease)
    assert (decision.answer, late.kind, late.job_id) == (Answer.UNKNOWN_JOB, "unknown_job", None)
    assert late.payload["result"] == {"rows": 3}


@pytest.mark.parametrize("raised_at", [None, Now() - timedelta(hours=25)])
def test_at_other_times_a_job_nobody_knows_is_not_found(execution, raised_at):
    Plane.objects.update(epoch_raised_at=raised_at)

    with pytest.raises(NotFound):
        of_a_job_nobody_knows(execution.robot)


def test_the_lease_of_another_robot_is_not_found(execution):
    thief = make.robot(of=execution.tenant)

    with pytest.raises(NotFound):
        services.finish_execution(
            thief, actor=make.acting(thief), lease_id=execution.lease_id, report=report(execution)
        )

    assert job_of(execution).status == JobStatus.RUNNING


def test_the_lease_of_another_tenant_is_not_found_even_after_a_fall_back(execution):
    Plane.objects.update(epoch_raised_at=Now())
    stranger = make.robot()

    with pytest.raises(NotFound):
        services.finish_execution(
            stranger, actor=make.acting(stranger), lease_id=execution.lease_id, report=report(execution)
        )

    assert kept(execution) == []


def test_nobody_reports_in_another_s_name(execution):
    with pytest.raises(NotAllowed):
        services.finish_execution(
            execution.robot, actor=make.acting(make.robot()), lease_id=execution.lease_id, report=report(execution)
        )


# Cancelling: see test_cancel_job.py. Timed out:


@pytest.mark.parametrize("outcome", [End.FAILED, End.CANCELLED])
def test_the_end_of_a_job_whose_time_was_out_is_a_time_out_and_is_tried_again(execution, outcome):
    Execution.objects.filter(pk=execution.pk).update(kill_asked_at=Now())

    finish(execution, outcome)

    execution.refresh_from_db()
    assert (execution.status, execution.reason) == (ExecutionStatus.FAILED, "timeout")
    assert (job_of(execution).status, job_of(execution).reason) == (JobStatus.PENDING, "timeout")


def test_a_success_is_kept_though_the_time_was_out(execution):
    Execution.objects.filter(pk=execution.pk).update(kill_asked_at=Now())

    finish(execution)

    assert job_of(execution).status == JobStatus.COMPLETED


# The log.


def test_a_log_that_is_still_owed_is_asked_for_and_the_outcome_stands(execution):
    assert finish(execution, log_length=10, log_crc32=1) == Decision(Answer.SEND_LOG, offset=0)
    assert job_of(execution).status == JobStatus.COMPLETED


def test_a_log_that_came_meanwhile_is_no_longer_owed(execution):
    finish(execution, log_length=10, log_crc32=1)
    Execution.objects.filter(pk=execution.pk).update(log_length=4)
    assert finish(execution, log_length=10, log_crc32=1) == Decision(Answer.SEND_LOG, offset=4)

    Execution.objects.filter(pk=execution.pk).update(log_length=10)

    assert finish(execution, log_length=10, log_crc32=1) == Decision(Answer.DUPLICATE)


def test_beyond_its_limit_nothing_more_of_a_log_is_owed(execution):
    Execution.objects.filter(pk=execution.pk).update(log_length=4, log_truncated=True)

    assert finish(execution, log_length=10, log_crc32=1) == Decision(Answer.ACCEPTED)


# Waiting for the next try.


def test_the_wait_doubles_and_has_an_upper_bound():
    process = make.process(max_attempts=9, backoff_base=10, backoff_cap=30, backoff_jitter=False)
    waits = []
    execution = make.running_job(process)
    for _ in range(4):
        fail(execution)
        job = job_of(execution)
        waits.append(round((job.available_at - Execution.objects.get(pk=execution.pk).finished_at).total_seconds()))
        execution = tried_again(execution)

    assert waits == [10, 20, 30, 30]


def test_waits_are_spread_at_random():
    execution = make.running_job(make.process(max_attempts=9, backoff_base=1000))

    fail(execution)

    wait = Job.objects.get(pk=execution.job_id).available_at - Execution.objects.get(pk=execution.pk).finished_at
    assert timedelta(0) <= wait <= timedelta(seconds=1000)


def test_an_event_of_a_job_carries_what_its_row_says(execution):
    fail(execution)

    event = Event.objects.about(execution.job).first()
    assert event.type == "job.requeued"
    assert (event.data["status"], event.data["reason"]) == ("pending", "application_error")
    assert (event.data["execution"], event.data["number"]) == (str(execution.pk), 1)
