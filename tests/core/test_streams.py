"""Cursors and periods: the arithmetic of streams, without a database."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import ids
from apps.core.errors import Invalid
from apps.core.streams import Cursor, CursorAhead, Epoch, Period
from apps.core.streams.periods import Partition, first_id_of

NUMBERS = st.integers(0, 2**63 - 1)


@given(st.integers(1, 999_999_999), NUMBERS, NUMBERS)
def test_a_cursor_survives_being_written_as_text(epoch, xid, seq):
    cursor = Cursor(epoch, xid, seq)

    assert Cursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize("text", ["", "1", "1.2", "1.2.3.4", "-1.2.3", "1.2.x", "1.2.3\n", "1.٣.4", f"1.{2**63}.1"])
def test_what_is_no_cursor_is_refused_by_name(text):
    with pytest.raises(Invalid) as refusal:
        Cursor.parse(text)

    assert refusal.value.problems[0].field == "cursor"


def test_within_its_own_epoch_a_cursor_stays_where_it_is():
    cursor = Cursor(2, 500, 9)

    assert cursor.within(Epoch(2, since=100)) == cursor


def test_a_raised_epoch_takes_a_cursor_back_to_before_the_restore():
    cursor = Cursor(1, 500, 9)

    rebased = cursor.within(Epoch(2, since=300))

    assert rebased == Cursor(2, 300, 0)


def test_a_raised_epoch_does_not_move_a_cursor_forward():
    cursor = Cursor(1, 200, 9)

    rebased = cursor.within(Epoch(2, since=300))

    assert rebased == Cursor(2, 200, 9)


def test_a_cursor_of_an_epoch_to_come_is_refused():
    with pytest.raises(CursorAhead):
        Cursor(3, 200, 9).within(Epoch(2, since=100))


@pytest.mark.parametrize(
    ("period", "day", "start", "end", "name"),
    [
        (Period.MONTH, date(2026, 12, 31), date(2026, 12, 1), date(2027, 1, 1), "log_p202612"),
        (Period.MONTH, date(2028, 2, 29), date(2028, 2, 1), date(2028, 3, 1), "log_p202802"),
        (Period.DAY, date(2026, 12, 31), date(2026, 12, 31), date(2027, 1, 1), "log_p20261231"),
    ],
)
def test_a_partition_holds_its_period_to_the_end(period, day, start, end, name):
    assert Partition.holding("log", period, day) == Partition(start, end, name)


@given(st.integers(10**9, 7 * 10**9), st.sampled_from(Period))
def test_an_id_lies_within_the_bounds_of_the_partition_of_its_moment(seconds, period):
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    partition = Partition.holding("log", period, moment.date())

    identity = str(ids.first_id_at(moment))

    assert first_id_of(partition.start) <= identity < first_id_of(partition.end)


def test_upcoming_partitions_follow_one_another_without_a_gap():
    moment = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)

    partitions = Partition.upcoming("log", Period.MONTH, moment, ahead=2)

    assert [partition.name for partition in partitions] == ["log_p202611", "log_p202612", "log_p202701"]
    assert [partition.end for partition in partitions[:2]] == [partition.start for partition in partitions[1:]]
