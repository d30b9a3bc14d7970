"""A robot begins."""

import uuid
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from apps.core.errors import NotAllowed, NotFound
from apps.jobs import services
from apps.jobs.models import Execution, JobStatus
from tests import make
from tests.jobs.reports import finish, job_of, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def execution():
    process = make.process(timeout=60)
    make.job(process)
    return make.claimed(make.session(make.robot(of=process.tenant)))


def start(execution):
    return services.start_execution(execution, actor=make.acting(execution.robot))


def test_it_is_noted_and_extends_the_lease(execution):
    Execution.objects.filter(pk=execution.pk).update(expires_at=Now())

    start(execution)

    execution.refresh_from_db()
    assert execution.started_at is not None
    assert execution.expires_at - execution.started_at == timedelta(seconds=90)
    assert told(job_of(execution))[-1] == "job.started"


def test_the_same_again_changes_nothing(execution):
    start(execution)
    execution.refresh_from_db()
    before = vars(Execution.objects.get(pk=execution.pk)) | {"_state": None}

    start(execution)

    assert vars(Execution.objects.get(pk=execution.pk)) | {"_state": None} == before
    assert told(job_of(execution)).count("job.started") == 1


def test_a_time_out_leaves_room_for_building_the_environment(execution):
    start(execution)

    execution.refresh_from_db()
    assert execution.timeout_at - execution.started_at == timedelta(seconds=60 + 1800)


def test_state_decides_and_not_the_clock(execution):
    Execution.objects.filter(pk=execution.pk).update(
        start_by=Now() - timedelta(hours=1), expires_at=Now() - timedelta(hours=1)
    )

    start(execution)

    execution.refresh_from_db()
    assert execution.started_at is not None


def test_a_lease_that_is_over_cannot_begin(execution):
    services.kill_job(execution.job, actor=make.SYSTEM)

    with pytest.raises(services.LeaseOver) as refusal:
        start(execution)

    assert refusal.value.extra == {"current": "revoked"}


@pytest.mark.parametrize("end", [services.cancel_job, services.stop_job])
def test_a_job_asked_to_end_first_does_not_begin_and_ends_when_it_is_given_back(execution, end):
    end(execution.job, actor=make.SYSTEM)

    with pytest.raises(services.JobEnding):
        start(execution)

    services.release_execution(execution, actor=make.acting(execution.robot))
    assert job_of(execution).status == JobStatus.CANCELLED


def test_a_job_cancelled_after_it_began_may_say_again_that_it_did(execution):
    start(execution)
    services.cancel_job(execution.job, actor=make.SYSTEM)

    start(execution)

    assert job_of(execution).status == JobStatus.CANCELLING


def test_only_the_robot_that_holds_it_may_begin(execution):
    with pytest.raises(NotAllowed):
        services.start_execution(execution, actor=make.acting(make.robot(of=execution.tenant)))


def test_a_robot_finds_its_own_leases_only(execution):
    stranger = make.robot(of=execution.tenant)

    assert services.find_lease(execution.lease_id, actor=make.acting(execution.robot)) == execution
    with pytest.raises(NotFound):
        services.find_lease(execution.lease_id, actor=make.acting(stranger))


def test_what_is_no_lease_is_not_found(execution):
    with pytest.raises(NotFound) as refusal:
        services.find_lease(uuid.uuid4(), actor=make.acting(execution.robot))

    assert refusal.value.code == "unknown"


def test_a_lease_can_be_found_after_its_end(execution):
    start(execution)
    finish(execution)

    assert services.find_lease(execution.lease_id, actor=make.acting(execution.robot)).status == "completed"
