"""Asking a job to end by itself."""

import pytest

from apps.core.actors import Actor
from apps.core.errors import NotAllowed
from apps.jobs import services
from apps.jobs.models import JobStatus
from apps.jobs.rules.reports import End
from tests import make
from tests.jobs.reports import due, fail, finish, job_of, lose, told

pytestmark = pytest.mark.django_db


def test_a_job_that_has_not_begun_is_cancelled(system):
    job = make.job()

    services.stop_job(job, actor=system)

    assert (job.status, job.reason) == (JobStatus.CANCELLED, "stopped")


def test_a_running_job_goes_on_until_it_ends_by_itself(system):
    job = make.running_job().job

    services.stop_job(job, actor=system)

    assert job.status == JobStatus.RUNNING
    assert job.stop_requested_at is not None
    assert told(job)[-1] == "job.stop_requested"


def test_asking_again_changes_nothing(system):
    job = make.running_job().job
    services.stop_job(job, actor=system)
    asked_at = job.stop_requested_at

    services.stop_job(job, actor=system)

    assert job.stop_requested_at == asked_at
    assert told(job).count("job.stop_requested") == 1


def test_a_job_that_stopped_is_cancelled(system):
    execution = make.running_job()
    services.stop_job(execution.job, actor=system)

    finish(execution, End.CANCELLED)

    job = job_of(execution)
    assert (job.status, job.reason) == (JobStatus.CANCELLED, "stopped")


def test_a_job_that_breaks_while_it_stops_is_not_tried_again(system):
    execution = make.running_job(make.process(max_attempts=3))
    services.stop_job(execution.job, actor=system)

    fail(execution)

    job = job_of(execution)
    assert (job.status, job.reason) == (JobStatus.FAILED, "application_error")


def test_a_stopping_job_whose_robot_vanishes_is_not_tried_again(system):
    execution = make.running_job(make.process(max_attempts=3))
    services.stop_job(execution.job, actor=system)

    lose(execution)

    job = job_of(execution)
    assert (job.status, job.reason) == (JobStatus.CANCELLED, "stopped")


def test_a_job_that_ended_cannot_be_stopped(system):
    execution = make.running_job()
    finish(execution)

    with pytest.raises(services.JobEnded):
        services.stop_job(job_of(execution), actor=system)


def test_who_may_only_look_may_not_stop():
    job = make.running_job().job
    viewer = Actor.person(make.user("jobs.view_job", inside=job.tenant))

    with pytest.raises(NotAllowed):
        services.stop_job(job, actor=viewer)


def test_a_stop_asked_of_an_earlier_try_is_forgotten_once_a_person_lets_it_run_again(system):
    process = make.process(on_lost="hold", max_attempts=1)
    execution = lose(make.running_job(process))
    job = services.resume_job(job_of(execution), actor=system)

    again = make.claimed(make.session(make.robot(of=due(job).tenant)))

    assert again.number == 2
    assert job_of(again).stop_requested_at is None
