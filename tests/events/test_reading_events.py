"""Following the events: in one order, none missed, none twice."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.db import connection, transaction

from apps.core.errors import Invalid
from apps.core.streams import Cursor, CursorAhead, Epoch
from apps.events import services
from apps.events.models import Event
from tests.orchestrator.processes import eventually

FIRST = Epoch()


def thing(**fields):
    """A row of no table of ours: an event only names it."""
    row = {"pk": uuid4(), "tenant_id": uuid4(), "_meta": SimpleNamespace(model_name="thing")}
    return SimpleNamespace(**row | fields)


def record(event_type, subject=None):
    with transaction.atomic():
        services.record(event_type, subject or thing())


def types(events):
    return [event.type for event in events]


def read_everything(cursor=None, *, limit=100, **filters):
    """Read page after page until one comes back empty."""
    page, cursor = services.read_after(cursor, limit=limit, epoch=FIRST, **filters)
    everything = list(page)
    while page:
        page, cursor = services.read_after(cursor, limit=limit, epoch=FIRST, **filters)
        everything += page
    return everything, cursor


def test_a_row_with_a_lower_number_and_a_later_transaction_is_not_lost(new_session):
    early, late = new_session(), new_session()
    early_xid, late_xid = early.begin(), late.begin()
    late.run(services.record, "late.recorded", thing())
    early.run(services.record, "early.recorded", thing())
    early.commit()

    first, cursor = services.read_after(None, limit=10, epoch=FIRST)
    late.commit()
    second, _ = services.read_after(cursor, limit=10, epoch=FIRST)

    assert [(event.type, event.xid) for event in first] == [("early.recorded", early_xid)]
    assert [(event.type, event.xid) for event in second] == [("late.recorded", late_xid)]
    assert second[0].seq < first[0].seq  # The number alone would have lost it.


def test_nothing_is_read_beyond_a_transaction_that_still_runs(new_session):
    slow = new_session()
    slow.begin()
    record("quick.recorded")

    before, cursor = services.read_after(None, limit=10, epoch=FIRST)
    slow.run(services.record, "slow.recorded", thing())
    slow.commit()
    # The server's own housekeeping may still run in this database, and is waited for as well.
    after = eventually(lambda: services.read_after(cursor, limit=10, epoch=FIRST)[0])

    assert types(before) == []
    assert types(after) == ["slow.recorded", "quick.recorded"]


def test_what_is_rolled_back_is_never_read(new_session):
    writer = new_session()

    def fail():
        with transaction.atomic():
            services.record("thing.made", thing())
            raise Invalid("no")

    with pytest.raises(Invalid):
        writer.run(fail)

    assert read_everything()[0] == []


@pytest.mark.django_db(transaction=True)
def test_readers_among_eight_writers_miss_nothing_and_repeat_nothing():
    writers, each = 8, 25

    def write(number):
        chance = random.Random(number)
        for _ in range(each):
            with transaction.atomic():
                services.record("first.recorded", thing())
                time.sleep(chance.uniform(0, 0.01))
                services.record("second.recorded", thing())
        connection.close()

    def follow(limit):
        seen, cursor, give_up = [], None, time.monotonic() + 60
        while len(seen) < writers * each * 2 and time.monotonic() < give_up:
            page, cursor = services.read_after(str(cursor) if cursor else None, limit=limit, epoch=FIRST)
            seen += page
        connection.close()
        return [(event.xid, event.seq) for event in seen]

    with ThreadPoolExecutor(writers + 2) as pool:
        small, large = pool.submit(follow, 7), pool.submit(follow, 100)
        list(pool.map(write, range(writers)))
        orders = [small.result(timeout=60), large.result(timeout=60)]

    written = sorted(Event.objects.values_list("xid", "seq"))
    assert orders == [written, written]


@pytest.mark.django_db(transaction=True)
class TestOneReader:
    def test_pages_join_without_a_gap_or_a_repetition(self):
        for number in range(7):
            record(f"thing{number}.made")

        events, _ = read_everything(limit=2)

        assert types(events) == [f"thing{number}.made" for number in range(7)]

    def test_one_that_is_told_types_gets_those_alone(self):
        record("job.made")
        record("robot.made")
        record("job.ended")

        events, _ = read_everything(types=["job.made", "job.ended"])

        assert types(events) == ["job.made", "job.ended"]

    def test_one_of_a_tenant_gets_its_events_alone(self):
        mine = thing()
        record("mine.made", mine)
        record("other.made")

        events, _ = read_everything(tenant_id=mine.tenant_id)

        assert types(events) == ["mine.made"]

    def test_the_cursor_passes_what_the_filter_leaves_out(self):
        record("job.made")
        _, at_job = services.read_after(None, limit=1, epoch=FIRST)
        record("robot.made")

        page, cursor = services.read_after(at_job, limit=1, epoch=FIRST, types=["job.made"])

        assert page == []
        assert cursor.xid > Event.objects.get(type="robot.made").xid

    def test_one_who_begins_now_hears_only_what_comes(self):
        record("old.made")
        cursor = services.newest(epoch=FIRST)
        record("new.made")

        events, _ = read_everything(cursor)

        assert types(events) == ["new.made"]

    def test_a_cursor_may_be_handed_back_as_text(self):
        record("first.made")
        _, cursor = services.read_after(None, limit=1, epoch=FIRST)
        record("second.made")

        events, _ = read_everything(str(cursor))

        assert types(events) == ["second.made"]

    def test_what_is_no_cursor_is_refused(self):
        with pytest.raises(Invalid):
            services.read_after("yesterday", limit=1, epoch=FIRST)

    def test_after_a_restore_it_goes_on_from_before_the_loss(self):
        record("kept.made")
        kept = Event.objects.get()
        beyond = Cursor(1, kept.xid + 1_000_000, kept.seq + 1_000)  # Read in the life that was lost.
        record("new.made")

        stale, _ = services.read_after(beyond, limit=10, epoch=FIRST)
        events, cursor = services.read_after(beyond, limit=10, epoch=Epoch(2, since=kept.xid))

        assert types(stale) == []
        assert types(events) == ["kept.made", "new.made"]
        assert cursor.epoch == 2

    def test_a_cursor_of_a_life_to_come_is_refused(self):
        with pytest.raises(CursorAhead):
            services.read_after(Cursor(2, 1, 1), limit=1, epoch=FIRST)
