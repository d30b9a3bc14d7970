"""A robot gives a job back."""

import pytest

from apps.core.errors import NotAllowed
from apps.jobs import services
from apps.jobs.models import ExecutionStatus, JobStatus
from tests import make
from tests.jobs.reports import finish, job_of, kept, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def execution():
    process = make.process(max_attempts=1)
    make.job(process)
    return make.claimed(make.session(make.robot(of=process.tenant)))


def release(execution, **facts):
    return services.release_execution(execution, actor=make.acting(execution.robot), **facts)


def test_the_job_is_in_line_again_at_once_and_has_lost_no_attempt(execution):
    release(execution, reason="the disk is full")

    job = job_of(execution)
    execution.refresh_from_db()
    assert (job.status, job.attempts_used, job.last_execution_no) == (JobStatus.PENDING, 0, 1)
    assert (execution.status, execution.reason) == (ExecutionStatus.RELEASED, "the disk is full")


def test_numbers_go_on_rising(execution):
    release(execution)

    again = make.claimed(execution.session)

    assert (again.number, job_of(again).attempts_used) == (2, 1)
    assert again.lease_id != execution.lease_id


def test_the_same_again_changes_nothing(execution):
    release(execution)

    release(execution)

    assert told(job_of(execution)).count("job.requeued") == 1
    assert job_of(execution).attempts_used == 0


def test_a_long_reason_is_cut(execution):
    release(execution, reason="x" * 500)

    execution.refresh_from_db()
    assert execution.reason == "x" * 40


def test_what_ended_otherwise_cannot_be_given_back(execution):
    finish(execution)

    with pytest.raises(services.LeaseOver):
        release(execution)

    assert job_of(execution).status == JobStatus.COMPLETED


def test_a_result_after_giving_back_is_kept_aside(execution):
    release(execution)

    assert finish(execution).answer == "late"
    assert kept(execution) == ["late"]
    assert job_of(execution).status == JobStatus.PENDING


def test_a_job_being_cancelled_is_cancelled(execution):
    services.cancel_job(execution.job, actor=make.SYSTEM)

    release(execution)

    assert job_of(execution).status == JobStatus.CANCELLED


def test_only_the_robot_that_holds_it_may_give_it_back(execution):
    with pytest.raises(NotAllowed):
        services.release_execution(execution, actor=make.acting(make.robot(of=execution.tenant)))
