"""Letting a held job run again, or settling it."""

import pytest

from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.errors import Conflict, NotAllowed
from apps.jobs import services
from apps.jobs.models import JobStatus
from tests import make
from tests.jobs.reports import job_of, lose, told

pytestmark = pytest.mark.django_db


def held_job(**fields):
    return job_of(lose(make.running_job(make.process(on_lost="hold", **fields))))


def test_it_is_in_line_at_once_with_one_more_attempt(system):
    job = held_job(max_attempts=1)

    services.resume_job(job, actor=system, reason="looked at it")

    job.refresh_from_db()
    assert (job.status, job.reason) == (JobStatus.PENDING, "")
    assert (job.attempts_used, job.max_attempts) == (1, 2)


def test_attempts_that_are_left_are_not_added_to(system):
    job = held_job(max_attempts=3)

    services.resume_job(job, actor=system)

    job.refresh_from_db()
    assert job.max_attempts == 3


def test_it_is_claimed_again_under_the_next_number(system):
    job = services.resume_job(held_job(), actor=system)

    execution = make.claimed(make.session(make.robot(of=job.tenant)))

    assert (execution.job_id, execution.number) == (job.pk, 2)


def test_it_is_written_down(system):
    job = services.resume_job(held_job(), actor=system, reason="looked at it")

    assert told(job)[-2:] == ["job.held", "job.resumed"]
    assert AuditEntry.objects.about(job).filter(action="job.resumed", reason="looked at it").exists()


@pytest.mark.parametrize("operation", [services.resume_job, services.fail_job])
def test_only_a_waiting_job_is_for_a_person_to_decide(system, operation):
    job = make.job()

    with pytest.raises(Conflict, match="only a waiting one"):
        operation(job, actor=system, reason="")


def test_a_person_may_settle_it_as_failed(system):
    job = held_job()

    services.fail_job(job, actor=system, reason="half of it was done")

    assert (job.status, job.reason) == (JobStatus.FAILED, "settled_by_hand")
    assert job.error == {"message": "half of it was done"}
    assert told(job)[-1] == "job.failed"


@pytest.mark.parametrize("operation", [services.resume_job, services.fail_job])
def test_who_may_only_look_may_not_decide(operation):
    job = held_job()
    viewer = Actor.person(make.user("jobs.view_job", inside=job.tenant))

    with pytest.raises(NotAllowed):
        operation(job, actor=viewer, reason="")
