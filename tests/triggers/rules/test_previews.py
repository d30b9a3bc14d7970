from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from apps.triggers.rules import previews, schedules
from apps.triggers.rules.previews import Plan, Silent
from apps.triggers.rules.silences import Days

START = datetime(2026, 1, 1, tzinfo=UTC)


def plan(configuration, start=START, zone="Europe/Berlin", viewer_zone="UTC", last=None, **more):
    schedule = schedules.parse(configuration, zone=zone, anchor=START)
    zones = {"zone": schedules.zone_of(zone), "viewer_zone": schedules.zone_of(viewer_zone)}
    return Plan(schedule, schedules.Between(schedule, None, last), start, **zones, **more)


def notes(configuration, start, count, **more):
    shown = previews.of(plan(configuration, datetime.fromisoformat(start), **more), count=count)
    return [f"{time.local:%m-%d %H:%M} {time.note}".strip() for time in shown.times]


def test_due_times_are_shown_on_two_clocks():
    shown = previews.of(plan({"cron": "0 9 * * mon-fri"}, viewer_zone="Asia/Kolkata"), count=2)

    assert shown.words == "At 09:00 on Monday through Friday"
    assert [f"{time.at:%d %H:%M}, {time.local:%H:%M}, {time.viewer_local:%H:%M}" for time in shown.times] == [
        "01 08:00, 09:00, 13:30", "02 08:00, 09:00, 13:30",
    ]  # fmt: skip
    assert shown.warnings == []


@pytest.mark.parametrize(
    ("cron", "zone", "start", "expected"),
    [
        pytest.param(
            "0 * * * *", "Europe/Berlin", "2026-10-24T23:30+00:00",
            [
                "10-25 02:00 Clocks go back: this is the first time this hour comes.",
                "10-25 02:00 Clocks go back: this is the second time this hour comes.",
                "10-25 03:00",
            ], id="an hour that comes twice",
        ),
        pytest.param(
            "30 2 * * *", "Europe/Berlin", "2026-03-28T12:00+00:00",
            [
                "03-29 03:00 Clocks go forward: no time from 02:00 to 03:00 exists that day, "
                "and what is due then comes now.",
                "03-30 02:30",
            ], id="a time that does not exist",
        ),
        pytest.param(
            "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00+00:00",
            [
                "10-04 02:30 Clocks go forward: no time from 02:00 to 02:30 exists that day, "
                "and what is due then comes now.",
                "10-05 02:15",
            ], id="half an hour that does not exist",
        ),
        pytest.param(
            "0 0 * * *", "Africa/Cairo", "2026-04-23T12:00+00:00",
            [
                "04-24 01:00 Clocks go forward: no time from 00:00 to 01:00 exists that day, "
                "and what is due then comes now.",
                "04-25 00:00",
            ], id="midnight that does not exist",
        ),
        pytest.param(
            "0 9 * * *", "Europe/Berlin", "2026-03-28T07:00+00:00",
            [
                "03-28 09:00",
                "03-29 09:00 Clocks of Europe/Berlin have been put forward by 60 minutes since the time before.",
                "03-30 09:00",
            ], id="clocks that changed between two times",
        ),
    ],
)  # fmt: skip
def test_a_preview_says_where_clocks_change(cron, zone, start, expected):
    assert notes({"cron": cron}, start, len(expected), zone=zone) == expected


def test_a_preview_says_where_the_clocks_of_the_viewer_change():
    shown = notes({"cron": "0 9 * * *"}, "2026-03-06T12:00+00:00", 2, viewer_zone="America/New_York")

    assert shown == [
        "03-07 09:00",
        "03-08 09:00 Clocks of America/New_York have been put forward by 60 minutes since the time before.",
    ]


def test_times_at_which_the_calendar_is_silent_are_marked():
    holiday = Silent("Closed", [Days("Epiphany", date(2026, 1, 6), date(2026, 1, 7))], schedules.zone_of("UTC"))

    shown = previews.of(plan({"cron": "0 9 * * tue"}, calendar=holiday), count=2)

    assert [time.silent for time in shown.times] == ["Epiphany", ""]
    assert shown.warnings == ["The calendar “Closed” is silent at 1 of these 2 times."]


@pytest.mark.parametrize(
    ("given", "warning"),
    [
        pytest.param({"configuration": {"cron": "@daily"}, "last": START - timedelta(1)}, "never due", id="it ended"),
        pytest.param({"configuration": {"cron": "0 0 29 2 *"}}, "more than a year away: 2028-02-29", id="leap day"),
        pytest.param({"configuration": {"every": 60}, "is_anchored": False}, "counts from the moment", id="no start"),
        pytest.param({"configuration": {"every": 86400}}, "another time of day", id="days by the second"),
    ],
)
def test_what_may_not_be_meant_is_warned_of(given, warning):
    [told] = previews.of(plan(**given)).warnings

    assert warning in told


def test_days_by_the_second_are_fine_where_clocks_never_change():
    assert previews.of(plan({"every": 86400}, zone="Asia/Tokyo")).warnings == []
