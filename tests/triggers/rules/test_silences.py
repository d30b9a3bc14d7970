from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.triggers.rules import silences
from apps.triggers.rules.silences import Days, Hours, Period, Weekly

BERLIN = ZoneInfo("Europe/Berlin")
WEEKEND = Weekly("Weekend", frozenset({5, 6}))
NIGHTS = Weekly("Night", frozenset({0, 1, 2, 3, 4}), time(22), time(6))
LUNCH = Weekly("Lunch", frozenset(range(7)), time(12), time(13))
CHRISTMAS = Days("Christmas", date(2020, 12, 24), date(2020, 12, 27), every_year=True)
NEW_YEAR = Days("Turn of the year", date(2020, 12, 31), date(2021, 1, 2), every_year=True)
LEAP = Days("Leap day", date(2024, 2, 29), date(2024, 3, 1), every_year=True)
MOVE = Period("Move", datetime.fromisoformat("2026-05-04T15:00"), datetime.fromisoformat("2026-05-05T09:30"))


@pytest.mark.parametrize(
    ("silence", "local", "is_silent"),
    [
        (WEEKEND, "2026-01-03T00:00", True),
        (WEEKEND, "2026-01-05T00:00", False),
        (NIGHTS, "2026-01-05T22:00", True),
        (NIGHTS, "2026-01-06T05:59", True),
        (NIGHTS, "2026-01-06T06:00", False),
        (NIGHTS, "2026-01-05T05:00", False),  # Sunday's night is none of them.
        (LUNCH, "2026-01-05T12:59:59", True),
        (LUNCH, "2026-01-05T13:00", False),
        (CHRISTMAS, "2031-12-26T23:59", True),
        (CHRISTMAS, "2031-12-27T00:00", False),
        (NEW_YEAR, "2027-01-01T12:00", True),
        (NEW_YEAR, "2027-01-02T00:00", False),
        (LEAP, "2028-02-29T12:00", True),
        (LEAP, "2027-03-01T12:00", False),
        (MOVE, "2026-05-05T09:29", True),
        (MOVE, "2026-05-05T09:30", False),
        (MOVE, "2027-05-05T09:00", False),
    ],
)
def test_a_stretch_covers_its_own_time_and_no_more(silence, local, is_silent):
    moment = datetime.fromisoformat(local).replace(tzinfo=BERLIN)

    assert (silences.silence_at([silence], moment, BERLIN) is silence) is is_silent


def test_the_clocks_of_the_calendar_count():
    late_sunday_in_berlin = datetime(2026, 1, 4, 22, 30, tzinfo=UTC)

    assert silences.silence_at([WEEKEND], late_sunday_in_berlin, BERLIN) is WEEKEND
    assert silences.silence_at([WEEKEND], late_sunday_in_berlin, ZoneInfo("Asia/Tokyo")) is None


def test_the_days_of_a_month_are_shown_with_what_touches_them():
    shown = silences.silent_days([WEEKEND, CHRISTMAS], date(2026, 12, 24), 4)

    assert shown == {
        date(2026, 12, 24): ["Christmas"],
        date(2026, 12, 25): ["Christmas"],
        date(2026, 12, 26): ["Weekend", "Christmas"],
        date(2026, 12, 27): ["Weekend"],
    }


def test_the_hours_of_a_day_are_told_from_its_start_to_its_end():
    monday = silences.silent_hours([LUNCH, NIGHTS], date(2026, 1, 5))
    tuesday = silences.silent_hours([NIGHTS, LUNCH, MOVE], date(2026, 5, 5))

    assert monday == [Hours("Lunch", time(12), time(13)), Hours("Night", time(22), None)]
    assert tuesday == [
        Hours("Night", time(0), time(6)),
        Hours("Move", time(0), time(9, 30)),
        Hours("Lunch", time(12), time(13)),
        Hours("Night", time(22), None),
    ]
    assert silences.silent_hours([CHRISTMAS], date(2026, 12, 24)) == [Hours("Christmas", time(0), None)]


ALL = [WEEKEND, NIGHTS, LUNCH, CHRISTMAS, NEW_YEAR, LEAP, MOVE]
FIRST, LAST = datetime.fromisoformat("2024-01-01"), datetime.fromisoformat("2029-01-01")
MOMENTS = st.datetimes(FIRST, LAST) | st.datetimes(MOVE.first, MOVE.last)


@given(silence=st.sampled_from(ALL), moment=MOMENTS)
def test_the_hours_of_a_day_hold_what_is_silent_and_nothing_else(silence, moment):
    parts = silence.hours_of(moment.date())

    within = any(begins <= moment.time() and (ends is None or moment.time() < ends) for begins, ends in parts)

    assert within is silence.covers(moment)


@given(first=MOMENTS, hours=st.integers(0, 24))
def test_what_touches_no_day_of_a_stretch_covers_no_moment_of_it(first, hours):
    begin = first.replace(tzinfo=BERLIN)
    end = begin + timedelta(hours=24)

    touching = silences.touching(ALL, begin, end, BERLIN)

    moment = begin + timedelta(hours=hours)
    assert {one for one in ALL if silences.silence_at([one], moment, BERLIN)} <= {*touching}
    assert not any(one in touching for one in (CHRISTMAS, LEAP) if begin.month in range(4, 12))
