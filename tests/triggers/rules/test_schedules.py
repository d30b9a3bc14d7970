from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.triggers.rules import schedules
from apps.triggers.rules.schedules import BadSchedule

START = datetime(2026, 1, 1, tzinfo=UTC)


def local_times(expression, zone, start, count):
    schedule = schedules.parse({"cron": expression}, zone=zone, anchor=START)
    begin = datetime.fromisoformat(start).replace(tzinfo=schedules.zone_of(zone))
    return [f"{at.astimezone(begin.tzinfo):%m-%d %H:%M:%S%z}" for at in islice(schedule.after(begin), count)]


@pytest.mark.parametrize(
    ("expression", "zone", "start", "expected"),
    [
        pytest.param(
            "30 2 * * *", "Europe/Berlin", "2026-03-28T12:00",
            ["03-29 03:00:00+0200", "03-30 02:30:00+0200"], id="a time in the gap comes right after it",
        ),
        pytest.param(
            "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00",
            ["10-25 02:30:00+0200", "10-26 02:30:00+0100"], id="a time in the fold comes once",
        ),
        pytest.param(
            "0 * * * *", "Europe/Berlin", "2026-10-25T01:30",
            ["10-25 02:00:00+0200", "10-25 02:00:00+0100", "10-25 03:00:00+0100"], id="every hour is both in the fold",
        ),
        pytest.param(
            "*/30 * * * *", "Europe/Berlin", "2026-03-29T01:15",
            ["03-29 01:30:00+0100", "03-29 03:00:00+0200"], id="every half hour steps over the gap",
        ),
        pytest.param(
            "0 0 * * *", "Africa/Cairo", "2026-04-23T12:00",
            ["04-24 01:00:00+0300", "04-25 00:00:00+0300"], id="in Cairo midnight itself does not exist",
        ),
        pytest.param(
            "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00",
            ["10-04 02:30:00+1100", "10-05 02:15:00+1100"], id="on Lord Howe the gap is half an hour",
        ),
        pytest.param(
            "0 12 29 2 *", "UTC", "2026-01-01T00:00",
            ["02-29 12:00:00+0000"], id="the 29th of February waits for a leap year",
        ),
        pytest.param(
            "0 9 L * *", "UTC", "2026-01-15T00:00",
            ["01-31 09:00:00+0000", "02-28 09:00:00+0000"], id="the last day of a month",
        ),
        pytest.param(
            "*/20 0 9 * * *", "UTC", "2026-01-01T00:00",
            ["01-01 09:00:00+0000", "01-01 09:00:20+0000", "01-01 09:00:40+0000", "01-02 09:00:00+0000"],
            id="six fields begin with seconds",
        ),
        pytest.param("@daily", "UTC", "2026-01-01T05:00", ["01-02 00:00:00+0000"], id="an alias"),
    ],
)  # fmt: skip
def test_due_times_follow_the_clocks_of_the_place(expression, zone, start, expected):
    assert local_times(expression, zone, start, len(expected)) == expected


def test_a_zone_whose_rules_change_is_followed_by_the_rules_of_each_time():
    # Until September 2022 Chile's summer time began a week earlier than it does by its later rules.
    assert local_times("0 8 * * *", "America/Santiago", "2022-09-09T12:00", 3) == [
        "09-10 08:00:00-0400", "09-11 08:00:00-0300", "09-12 08:00:00-0300",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("configuration", "zone", "field", "words"),
    [
        ({"cron": "61 * * * *"}, "UTC", "configuration.cron", "no cron expression"),
        ({"cron": "0 0 31 2 *"}, "UTC", "configuration.cron", "no cron expression"),
        ({"cron": ""}, "UTC", "configuration.cron", "write a cron expression"),
        ({"cron": 5}, "UTC", "configuration.cron", "write a cron expression"),
        ({"cron": "@often"}, "UTC", "configuration.cron", "is not known"),
        ({"cron": "* * * * * *"}, "UTC", "configuration.cron", "more often"),
        ({"cron": "0 0 * * *"}, "Europe/Nowhere", "time_zone", "no time zone"),
        ({"cron": "0 0 * * *"}, "../etc/passwd", "time_zone", "no time zone"),
        ({"every": 1}, "UTC", "configuration.every", "whole seconds"),
        ({"every": True}, "UTC", "configuration.every", "whole seconds"),
        ({"every": "60"}, "UTC", "configuration.every", "whole seconds"),
        ({"every": 10**9}, "UTC", "configuration.every", "whole seconds"),
        ({}, "UTC", "configuration", "either"),
        ({"cron": "0 0 * * *", "every": 60}, "UTC", "configuration", "either"),
    ],
)
def test_what_means_nothing_is_refused_with_the_field_and_the_reason(configuration, zone, field, words):
    with pytest.raises(BadSchedule, match=words) as refused:
        schedules.parse(configuration, zone=zone, anchor=START)

    assert refused.value.field == field


def test_an_interval_counts_from_its_anchor_whatever_the_clocks_do():
    schedule = schedules.parse({"every": 5400}, zone="Europe/Berlin", anchor=START)

    assert list(islice(schedule.after(START), 2)) == [START + timedelta(minutes=90), START + timedelta(minutes=180)]
    assert next(schedule.after(START - timedelta(days=3))) == START
    assert next(schedule.before(START + timedelta(minutes=100))) == START + timedelta(minutes=90)
    assert list(schedule.before(START - timedelta(seconds=1))) == []


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        ({"cron": "*/5 9-17 * * mon-fri"}, "Every fifth minute from 09:00 through 17:59 on Monday through Friday"),
        ({"every": 60}, "Every minute"),
        ({"every": 7200}, "Every 2 hours"),
        ({"every": 90}, "Every 90 seconds"),
    ],
)
def test_a_schedule_is_told_in_words(configuration, words):
    assert schedules.parse(configuration, zone="UTC", anchor=START).in_words == words


EXPRESSIONS = st.sampled_from(["*/7 * * * *", "30 2 * * *", "0 */3 * * 1-5", "*/15 * * * * *", "0 0 1 * *"])
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Africa/Cairo", "Australia/Lord_Howe", "America/St_Johns"])
MOMENTS = st.integers(0, 10 * 366 * 86400).map(lambda seconds: START + timedelta(seconds=seconds))


@given(expression=EXPRESSIONS, zone=ZONES, moment=MOMENTS)
def test_looking_back_finds_what_looking_ahead_foretold(expression, zone, moment):
    schedule = schedules.parse({"cron": expression}, zone=zone, anchor=START)

    ahead = list(islice(schedule.after(moment), 5))

    assert list(islice(schedule.before(ahead[-1]), 5)) == ahead[::-1]
    assert all(at > moment for at in ahead)
