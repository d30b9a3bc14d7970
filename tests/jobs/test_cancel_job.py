"""Cancelling a job."""

import pytest

from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.errors import NotAllowed
from apps.jobs import services
from apps.jobs.models import ExecutionStatus, JobStatus
from apps.jobs.rules.reports import End
from tests import make
from tests.jobs.reports import fail, finish, job_of, lose, told

pytestmark = pytest.mark.django_db


def test_a_pending_job_is_cancelled_at_once(system):
    job = make.job()

    services.cancel_job(job, actor=system)

    assert (job.status, job.reason) == (JobStatus.CANCELLED, "cancelled")
    assert job.finished_at is not None


def test_a_running_job_is_only_asked_to_end(system):
    job = make.running_job().job

    services.cancel_job(job, actor=system)

    assert job.status == JobStatus.CANCELLING
    assert job.finished_at is None


def test_a_held_job_is_cancelled_at_once(system):
    execution = lose(make.running_job(make.process(on_lost="hold")))
    job = job_of(execution)

    services.cancel_job(job, actor=system)

    assert (job.status, job.reason) == (JobStatus.CANCELLED, "cancelled")


def test_asking_again_changes_nothing(system):
    job = make.running_job().job
    services.cancel_job(job, actor=system)
    asked_at = job.cancel_requested_at

    services.cancel_job(job, actor=system)

    assert (job.status, job.cancel_requested_at) == (JobStatus.CANCELLING, asked_at)


def test_a_success_that_arrives_first_is_kept(system):
    execution = make.running_job()
    services.cancel_job(execution.job, actor=system)

    finish(execution, result={"rows": 3})

    job = job_of(execution)
    assert (job.status, job.reason) == (JobStatus.COMPLETED, "finished_before_cancel")
    assert job.result == {"rows": 3}


@pytest.mark.parametrize("outcome", [End.CANCELLED, End.FAILED])
def test_any_other_end_cancels_it(system, outcome):
    execution = make.running_job(make.process(max_attempts=3))
    services.cancel_job(execution.job, actor=system)

    decision = finish(execution, outcome)

    assert decision.answer == "accepted"
    assert job_of(execution).status == JobStatus.CANCELLED


def test_a_cancelled_job_whose_robot_vanishes_is_cancelled_and_never_tried_again(system):
    execution = make.running_job(make.process(max_attempts=3))
    services.cancel_job(execution.job, actor=system)

    lose(execution)

    assert execution.status == ExecutionStatus.LOST
    assert job_of(execution).status == JobStatus.CANCELLED


def test_a_job_that_has_ended_cannot_be_cancelled(system):
    execution = make.running_job()
    fail(execution)
    job = job_of(execution)

    with pytest.raises(services.JobEnded) as refusal:
        services.cancel_job(job, actor=system)

    assert refusal.value.extra == {"current": JobStatus.FAILED}


def test_who_cancelled_and_why_is_written_down(system):
    job = make.job()

    services.cancel_job(job, actor=system, reason="wrong month")

    entry = AuditEntry.objects.about(job).first()
    assert (entry.action, entry.reason, entry.after) == ("job.cancelled", "wrong month", {"status": "cancelled"})
    assert told(job) == ["job.created", "job.cancelled"]


def test_who_may_only_look_may_not_cancel():
    job = make.job()
    viewer = Actor.person(make.user("jobs.view_job", inside=job.tenant))

    with pytest.raises(NotAllowed, match="cancel job"):
        services.cancel_job(job, actor=viewer)

    job.refresh_from_db()
    assert job.status == JobStatus.PENDING
