"""Cancelling a job."""

import pytest

from apps.core.errors import NotAllowed
from apps.core.actors import Actor
from apps.jobs import services
from apps.jobs.models import JobStatus
from tests import make

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


def test_who_may_only_look_may_not_cancel():
    job = make.job()
    viewer = Actor.person(make.user("jobs.view_job", inside=job.tenant))

    with pytest.raises(NotAllowed, match="cancel job"):
        services.cancel_job(job, actor=viewer)

    job.refresh_from_db()
    assert job.status == JobStatus.PENDING
