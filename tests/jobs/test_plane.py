"""The control plane's own heartbeat."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.errors import NotAllowed
from apps.jobs import services
from apps.jobs.models import Plane
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def plane():
    Plane.objects.update(
        tick=100, epoch=3, gap_ended_at=None, frozen_until=None, frozen_reason="", epoch_raised_at=None
    )
    return Plane.objects.get()


def last_ticked(ago):
    Plane.objects.update(ticked_at=Now() - ago)


def test_it_advances_when_it_is_time(plane):
    last_ticked(timedelta(seconds=2))

    assert services.advance_tick() == (101, 3)


def test_of_two_that_would_advance_it_one_does(plane):
    last_ticked(timedelta(seconds=2))
    services.advance_tick()

    assert services.advance_tick() is None


def test_a_steady_beat_freezes_nothing(plane):
    last_ticked(timedelta(seconds=14))

    services.advance_tick()

    assert not Plane.is_frozen()


def test_after_a_gap_sweeping_waits_a_whole_lease(plane):
    last_ticked(timedelta(seconds=16))

    services.advance_tick()

    assert Plane.is_frozen()
    Plane.objects.update(gap_ended_at=Now() - timedelta(seconds=91))
    assert not Plane.is_frozen()


def test_while_nothing_ticks_nothing_is_swept(plane):
    last_ticked(timedelta(seconds=16))

    assert Plane.is_frozen()


def test_a_clock_that_goes_backwards_freezes_and_says_so(plane):
    last_ticked(timedelta(seconds=-30))

    services.advance_tick()

    plane.refresh_from_db()
    assert Plane.is_frozen()
    assert plane.frozen_reason == "the database clock went backwards"
    assert plane.tick == 101


def test_a_clock_that_jumps_ahead_freezes_and_says_so(plane):
    last_ticked(timedelta(seconds=61))

    services.advance_tick()

    plane.refresh_from_db()
    assert Plane.is_frozen()
    assert "jumped" in plane.frozen_reason


def test_a_clock_a_moment_behind_is_believed(plane):
    last_ticked(timedelta(seconds=-0.5))

    services.advance_tick()

    assert not Plane.is_frozen()


@pytest.mark.parametrize(("epoch", "tick"), [(3, 100), (3, 1), (2, 10_000), (0, 0)])
def test_what_is_not_beyond_ours_tells_nothing(plane, system, epoch, tick):
    services.notice_tick(plane, actor=system, epoch=epoch, tick=tick)

    plane.refresh_from_db()
    assert (plane.epoch, plane.tick, plane.epoch_raised_at) == (3, 100, None)


@pytest.mark.parametrize(("seen", "now"), [((3, 101), (4, 102)), ((4, 7), (5, 101))])
def test_a_tick_beyond_ours_means_that_commits_were_lost(plane, system, seen, now):
    services.notice_tick(plane, actor=system, epoch=seen[0], tick=seen[1])

    plane.refresh_from_db()
    assert (plane.epoch, plane.tick) == now
    assert Plane.is_frozen()
    assert Plane.epoch_changed_lately()
    assert AuditEntry.objects.about(plane).get().after == {"epoch": now[0], "seen": list(seen)}


def test_the_same_news_again_raises_nothing(plane, system):
    services.notice_tick(plane, actor=system, epoch=3, tick=150)

    services.notice_tick(plane, actor=system, epoch=3, tick=150)

    plane.refresh_from_db()
    assert plane.epoch == 4


@pytest.mark.parametrize(("epoch", "tick"), [(2**62, 1), (3, 2**62)])
def test_what_nobody_can_have_seen_is_not_believed(plane, system, epoch, tick):
    services.notice_tick(plane, actor=system, epoch=epoch, tick=tick)

    plane.refresh_from_db()
    assert (plane.epoch, plane.tick) == (3, 100)


def test_there_is_one_plane(plane, system):
    assert services.ensure_plane(actor=system) == plane
    assert Plane.objects.count() == 1


@pytest.mark.parametrize(
    "operation",
    [
        lambda plane, actor: services.ensure_plane(actor=actor),
        lambda plane, actor: services.notice_tick(plane, actor=actor, epoch=9, tick=9),
    ],
)
def test_a_robot_may_not_touch_it(plane, operation):
    with pytest.raises(NotAllowed):
        operation(plane, make.acting(make.robot()))


def test_people_of_a_tenant_may_not_touch_it(plane):
    person = Actor.person(make.user("jobs.change_plane", inside=make.tenant()))

    with pytest.raises(NotAllowed):
        services.notice_tick(plane, actor=person, epoch=9, tick=9)
