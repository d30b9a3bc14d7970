"""The heartbeat of each web process: it goes on whatever the database does, and notices when that forgets."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.jobs import services as jobs
from apps.jobs.models import Plane
from orchestrator.ticking import Ticker
from tests import roles
from tests.orchestrator.processes import eventually

WAITING = """
    SELECT pid FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND query LIKE '%jobs_plane%' AND datname = current_database()
"""


@pytest.fixture
def plane(settings):
    """The plane's one row, at a tick that others have seen."""
    settings.TICK_EVERY = 0.0
    jobs.ensure_plane(actor=Actor.system("test"))
    Plane.objects.update(tick=100, epoch=3, ticked_at=Now())
    return Plane.objects.get()


@pytest.fixture
def running(plane, settings):
    """A heartbeat that beats many times a second; it ends with the test."""
    settings.TICK_EVERY = 0.02
    ticker = Ticker()
    ticker.start()
    yield ticker
    ticker.stopping.set()
    ticker.join()


def ticks():
    return Plane.objects.values_list("tick", flat=True).get()


@pytest.mark.django_db
def test_each_beat_advances_the_tick_and_is_remembered(plane):
    ticker = Ticker()

    ticker.tick()
    ticker.tick()

    assert ticks() == 102
    assert ticker.highest == (3, 102)


@pytest.mark.django_db
def test_what_another_process_advanced_is_remembered_too(plane, settings):
    ticker = Ticker()
    settings.TICK_EVERY = 60.0

    ticker.tick()

    assert ticks() == 100
    assert ticker.highest == (3, 100)


@pytest.mark.django_db
def test_a_database_that_forgot_its_last_commits_begins_a_new_epoch(plane):
    ticker = Ticker()
    ticker.tick()

    Plane.objects.update(tick=50)
    ticker.tick()

    plane.refresh_from_db()
    assert (plane.epoch, plane.tick) == (4, 102)
    assert plane.frozen_until is not None
    assert AuditEntry.objects.get(action="plane.epoch_raised").after == {"epoch": 4, "seen": [3, 101]}


@pytest.mark.django_db
def test_the_same_loss_is_noticed_once(plane):
    ticker = Ticker()
    ticker.tick()
    Plane.objects.update(tick=50)

    ticker.tick()
    ticker.tick()

    assert Plane.objects.get().epoch == 4


@pytest.mark.django_db
def test_two_processes_that_notice_the_same_loss_begin_one_epoch(plane):
    first, second = Ticker(), Ticker()
    first.tick()
    second.tick()
    Plane.objects.update(tick=50)

    first.tick()
    second.tick()

    assert Plane.objects.get().epoch == 4


@pytest.mark.django_db
def test_a_lost_epoch_is_noticed_whatever_the_tick(plane):
    ticker = Ticker()
    ticker.tick()

    Plane.objects.update(epoch=2, tick=F("tick") + 1000)
    ticker.tick()

    assert Plane.objects.get().epoch == 4


@pytest.mark.django_db
def test_a_database_without_its_row_is_waited_for():
    Plane.objects.all().delete()
    ticker = Ticker()

    ticker.tick()

    assert ticker.highest == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_it_survives_a_table_that_is_away(running, caplog):
    before = eventually(lambda: ticks() > 100 and ticks())

    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE jobs_plane RENAME TO jobs_plane_away")
        eventually(lambda: "plane_tick_failed" in caplog.text)
        cursor.execute("ALTER TABLE jobs_plane_away RENAME TO jobs_plane")

    eventually(lambda: ticks() > before + 2)
    assert running.is_alive()


@pytest.mark.django_db(transaction=True)
def test_it_survives_a_connection_that_is_cut(running, caplog):
    eventually(lambda: ticks() > 100)

    with transaction.atomic(), connection.cursor() as cursor:
        before = Plane.objects.select_for_update().get().tick
        pid = eventually(lambda: _waiting(cursor))
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        eventually(lambda: "plane_tick_failed" in caplog.text)

    eventually(lambda: ticks() > before + 2)
    assert running.is_alive()


@pytest.mark.django_db(transaction=True)
def test_a_web_process_beats_from_its_start(plane, tmp_path):
    with roles.running("web", health="/health/live", log=tmp_path / "log", TICK_EVERY="0.1"):
        eventually(lambda: ticks() > 105)


def _waiting(cursor):
    cursor.execute("SELECT pg_stat_clear_snapshot()")  # It is read once for each transaction.
    cursor.execute(WAITING)
    row = cursor.fetchone()
    return row and row[0]
