"""What the ticks sweep is also swept by hand."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db.models.functions import Now

from apps.jobs import services as jobs
from apps.jobs.models import Execution, ExecutionStatus, Job, JobStatus, JobToken, Plane
from apps.packages import services as packages
from apps.robots.models import RobotSession
from tests import make
from tests.jobs.reports import finish, job_of, run_out

pytestmark = pytest.mark.django_db


def told(command: str) -> str:
    out = io.StringIO()
    call_command(command, stdout=out)
    return out.getvalue().strip()


def test_leases_that_ran_out_are_closed():
    execution = make.running_job()
    run_out(execution)
    Plane.objects.update(ticked_at=Now(), gap_ended_at=None, frozen_until=None)

    assert (told("sweep_leases"), told("sweep_leases")) == ("Executions closed: 1", "Executions closed: 0")

    assert Execution.objects.get().status == ExecutionStatus.LOST
    assert job_of(execution).status == JobStatus.FAILED


def test_jobs_past_their_deadline_to_start_are_expired():
    job = make.job(start_by=60)
    Job.objects.update(start_deadline=Now())

    assert told("sweep_start_deadlines") == "Jobs expired: 1"

    job.refresh_from_db()
    assert (job.status, job.reason) == (JobStatus.FAILED, "expired")


def test_files_that_no_version_names_are_removed():
    version = make.package_version()
    orphan = Path(packages.storage().path(version.storage_name)).with_name("orphan.bvpackage")
    orphan.write_bytes(b"left behind")
    os.utime(orphan, (0, 0))

    assert told("sweep_files") == "Files removed: 1"

    assert not orphan.exists()
    assert packages.storage().exists(version.storage_name)


def test_files_of_jobs_that_no_row_names_are_removed():
    artefact = make.artefact()
    orphan = Path(jobs.ARTEFACTS.storage.path(artefact.storage_name)).with_name("orphan")
    orphan.write_bytes(b"left behind")
    os.utime(orphan, (0, 0))

    assert told("sweep_artefacts") == "Files removed: 1"

    assert not orphan.exists()
    assert jobs.ARTEFACTS.storage.exists(artefact.storage_name)


def test_old_sessions_are_forgotten():
    make.session(make.robot())
    RobotSession.objects.update(ended_at="2020-01-01T00:00Z")

    assert told("forget_old_sessions") == "Sessions deleted: 1"


def test_the_credentials_of_ended_executions_are_forgotten():
    ended, open_still = make.running_job(), make.running_job()
    for execution in (ended, open_still):
        jobs.start_with_token(execution, actor=make.acting(execution.robot))
    finish(ended)

    assert told("forget_ended_tokens") == "Tokens deleted: 1"
    assert JobToken.objects.get().execution == open_still
