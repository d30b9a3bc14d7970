"""Robots that came for one job and died without a word go by themselves."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db.models.functions import Now

from apps.audit.models import AuditEntry
from apps.jobs.models import Execution, Plane
from apps.robots import rules, services
from apps.robots.models import Machine, Robot, RobotSession, RobotToken
from apps.tenancy import services as tenancy
from tests import make
from tests.robots.test_enrolling import enrol

pytestmark = pytest.mark.django_db

LONG_AGO = Now() - rules.GONE_AFTER - timedelta(minutes=1)


@pytest.fixture(autouse=True)
def plane():
    """The plane as it is while nothing is the matter."""
    Plane.objects.update(ticked_at=Now(), gap_ended_at=None, frozen_until=None)


def swept() -> str:
    out = io.StringIO()
    call_command("sweep_ephemeral_robots", stdout=out)
    return out.getvalue().strip()


def left_long_ago(name: str = "robot-1", **told) -> Robot:
    """A robot that enrolled for one job, had a session, and was not heard since."""
    _, text = make.enrolment_key_with_text()
    robot, _ = enrol(text, host=name, name=name, **{"is_ephemeral": True} | told)
    make.session(robot)
    RobotSession.objects.filter(robot=robot).update(last_seen_at=LONG_AGO)
    Robot.objects.filter(pk=robot.pk).update(created_at=LONG_AGO)
    return robot


def test_one_goes_with_its_machine_and_its_token():
    robot = left_long_ago()

    assert (swept(), swept()) == ("Robots gone: 1", "Robots gone: 0")

    assert not Robot.objects.alive().exists()
    assert not Machine.objects.alive().exists()
    assert not RobotToken.objects.filter(RobotToken.live(), robot=robot).exists()
    assert RobotSession.objects.get(robot=robot).end_reason == "gone"
    assert "not heard" in AuditEntry.objects.about(robot).get(action="robot.deregistered").reason


def test_one_that_never_had_a_session_goes():
    robot = left_long_ago()
    RobotSession.objects.all().delete()

    swept()

    robot.refresh_from_db()
    assert robot.deleted_at is not None


def test_one_that_stays_for_more_than_a_job_stays():
    left_long_ago(is_ephemeral=False)

    assert swept() == "Robots gone: 0"


@pytest.mark.parametrize(
    "heard",
    [
        lambda robot: RobotSession.objects.filter(robot=robot).update(last_seen_at=Now() - timedelta(hours=23)),
        lambda robot: RobotToken.objects.filter(robot=robot).update(last_used_at=Now()),
        lambda robot: Robot.objects.filter(pk=robot.pk).update(created_at=Now()),
    ],
    ids=["by a sync", "by any other call", "enrolled a moment ago"],
)
def test_one_that_was_heard_stays(heard):
    heard(left_long_ago())

    assert swept() == "Robots gone: 0"


def test_one_that_we_turn_away_stays_for_it_cannot_speak(system):
    disabled, suspended = left_long_ago("a"), left_long_ago("b")
    services.disable_robot(disabled, actor=system)
    tenancy.suspend_tenant(suspended.tenant, actor=system)

    assert swept() == "Robots gone: 0"


def test_one_whose_job_is_not_settled_yet_stays_and_the_others_go():
    busy, _ = left_long_ago("a"), left_long_ago("b")
    process = make.process(make.folder(busy.tenant))
    make.job(process)
    session = RobotSession.objects.get(robot=busy)
    RobotSession.objects.filter(pk=session.pk).update(last_seen_at=Now())
    make.claimed(session)
    RobotSession.objects.filter(pk=session.pk).update(last_seen_at=LONG_AGO)

    assert swept() == "Robots gone: 1"

    assert list(Robot.objects.alive()) == [busy]
    assert Execution.objects.get().session.ended_at is None


def test_after_an_outage_of_ours_nobody_goes():
    left_long_ago()
    Plane.objects.update(gap_ended_at=Now())

    assert swept() == "Robots gone: 0"
