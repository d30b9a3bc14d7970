"""Taking a job away from its robot."""

import pytest

from apps.core.actors import Actor
from apps.core.errors import NotAllowed
from apps.jobs import services
from apps.jobs.models import ExecutionStatus, JobStatus
from tests import make
from tests.jobs.reports import finish, job_of, kept, told

pytestmark = pytest.mark.django_db


def test_a_running_job_is_cancelled_at_once_and_its_lease_ends(system):
    execution = make.running_job()

    job = services.kill_job(execution.job, actor=system)

    execution.refresh_from_db()
    assert (job.status, job.reason) == (JobStatus.CANCELLED, "killed")
    assert (execution.status, execution.reason) == (ExecutionStatus.REVOKED, "killed")


def test_a_job_that_was_only_asked_to_end_can_still_be_killed(system):
    execution = make.running_job()
    services.cancel_job(execution.job, actor=system)
    asked_at = execution.job.cancel_requested_at

    job = services.kill_job(execution.job, actor=system)

    assert (job.status, job.reason) == (JobStatus.CANCELLED, "killed")
    assert job.cancel_requested_at == asked_at


def test_a_pending_job_is_cancelled(system):
    job = services.kill_job(make.job(), actor=system)

    assert (job.status, job.reason) == (JobStatus.CANCELLED, "killed")


def test_its_robot_s_result_is_kept_aside(system):
    execution = make.running_job()
    services.kill_job(execution.job, actor=system)

    decision = finish(execution)

    assert decision.answer == "revoked"
    assert kept(execution) == ["revoked"]
    assert job_of(execution).status == JobStatus.CANCELLED


def test_a_job_that_ended_cannot_be_killed(system):
    execution = make.running_job()
    finish(execution)

    with pytest.raises(services.JobEnded):
        services.kill_job(job_of(execution), actor=system)


def test_its_history_tells_of_it(system):
    execution = make.running_job()

    services.kill_job(execution.job, actor=system)

    assert told(execution.job) == ["job.created", "job.claimed", "job.started", "job.cancelled"]


def test_who_may_only_look_may_not_kill():
    job = make.running_job().job
    viewer = Actor.person(make.user("jobs.view_job", inside=job.tenant))

    with pytest.raises(NotAllowed):
        services.kill_job(job, actor=viewer)
