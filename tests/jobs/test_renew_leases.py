"""Renewing what a robot holds whose calls name no lease."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from apps.core.errors import NotAllowed
from apps.jobs import services
from apps.jobs.models import Execution
from tests import make
from tests.jobs.reports import finish, run_out

pytestmark = pytest.mark.django_db


def renew(execution):
    renewed = services.renew_leases(execution.robot, actor=make.acting(execution.robot))
    execution.refresh_from_db()
    return renewed


def test_what_was_acknowledged_is_extended_by_a_whole_lease():
    execution = make.running_job()
    run_out(execution)

    assert renew(execution) == 1

    assert execution.expires_at > execution.started_at + timedelta(seconds=80)


def test_what_was_never_acknowledged_is_extended_no_further_than_it_must_begin():
    waiting = make.job()
    execution = make.claimed(make.session(make.robot(of=waiting.tenant)))
    Execution.objects.filter(pk=execution.pk).update(start_by=Now() + timedelta(seconds=10))

    renew(execution)

    assert execution.expires_at == execution.start_by


def test_what_is_out_of_time_is_extended_no_more():
    execution = make.running_job()
    Execution.objects.filter(pk=execution.pk).update(timeout_at=Now() - timedelta(seconds=1))

    assert renew(execution) == 0


def test_what_has_ended_stays_as_it_is():
    execution = make.running_job()
    finish(execution)

    assert renew(execution) == 0


def test_what_another_robot_holds_stays_as_it_is():
    execution = make.running_job()

    assert services.renew_leases(make.robot(of=execution.tenant), actor=make.SYSTEM) == 0


def test_a_robot_renews_only_its_own():
    execution = make.running_job()

    with pytest.raises(NotAllowed):
        services.renew_leases(execution.robot, actor=make.acting(make.robot()))
