"""Making and changing calendars, and taking over those of others."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from apps.audit.models import AuditEntry
from apps.core.errors import Conflict, Invalid
from apps.triggers import services
from apps.triggers.models import Calendar
from apps.triggers.rules.silences import silence_at
from tests import make
from tests.make import SYSTEM

pytestmark = pytest.mark.django_db

CHRISTMAS = {
    "kind": "dates",
    "label": "Christmas",
    "first_at": datetime(2026, 12, 25, tzinfo=UTC),
    "last_at": datetime(2026, 12, 27, tzinfo=UTC),
    "every_year": True,
}
WEEKEND = {"kind": "weekly", "label": "weekend", "weekdays": [5, 6]}


def calendar(**fields):
    return services.create_calendar(make.folder(), actor=SYSTEM, **{"name": "Holidays"} | fields)


def silent(of, *moment, zone=None):
    """The label of what is silent at a wall-clock time, if anything."""
    rules = [rule.silence() for rule in of.rules.order_by("pk")]
    place = ZoneInfo(zone or of.time_zone)
    found = silence_at(rules, datetime(*moment, tzinfo=place), ZoneInfo(of.time_zone))
    return found.label if found else None


def refused(function, **arguments):
    with pytest.raises(Invalid) as refusal:
        function(actor=SYSTEM, **arguments)
    return [problem.field for problem in refusal.value.problems]


class TestMaking:
    def test_a_calendar_is_silent_by_its_rules(self):
        made = calendar(time_zone="Europe/Berlin", rules=[CHRISTMAS, WEEKEND])

        assert silent(made, 2031, 12, 26, 23, 59) == "Christmas"
        assert silent(made, 2026, 12, 24, 12) is None
        assert silent(made, 2026, 6, 6, 12) == "weekend"
        assert AuditEntry.objects.get(action="calendar.created").after["rules"] == ["Christmas", "weekend"]

    @pytest.mark.parametrize(
        ("fields", "named"),
        [
            ({"name": ""}, ["name"]),
            ({"time_zone": "Mars/Olympus"}, ["time_zone"]),
            ({"rules": [{"kind": "moon"}]}, ["rules[0].kind"]),
            ({"rules": [WEEKEND, {"kind": "weekly"}]}, ["rules[1].weekdays"]),
            ({"rules": [{"kind": "weekly", "weekdays": [7]}]}, ["rules[0].weekdays"]),
            ({"rules": [{"kind": "dates"}]}, ["rules[0].first_at"]),
            ({"rules": [CHRISTMAS | {"last_at": CHRISTMAS["first_at"]}]}, ["rules[0].last_at"]),
            ({"rules": [WEEKEND] * 2001}, ["rules"]),
        ],
    )
    def test_what_is_wrong_is_named_by_its_field(self, fields, named):
        arguments = {"name": "Holidays"} | fields

        assert refused(lambda **given: services.create_calendar(make.folder(), **given), **arguments) == named

    def test_a_name_is_free_only_once(self):
        first = calendar()

        with pytest.raises(Conflict, match="already"):
            services.create_calendar(first.folder, actor=SYSTEM, name="holidays")


class TestChanging:
    def test_rules_are_replaced_only_where_some_are_given(self):
        made = calendar(rules=[CHRISTMAS])

        services.update_calendar(made, actor=SYSTEM, name="Other")
        assert silent(made, 2026, 12, 25) == "Christmas"
        services.update_calendar(made, actor=SYSTEM, rules=[WEEKEND])

        assert (silent(made, 2026, 12, 25), silent(made, 2026, 6, 6)) == (None, "weekend")

    def test_one_that_triggers_heed_is_not_deleted(self):
        process = make.process()
        made = services.create_calendar(process.folder, actor=SYSTEM, name="Holidays")
        trigger = make.trigger(process, calendar=made)

        with pytest.raises(Conflict, match="heeds"):
            services.delete_calendar(made, actor=SYSTEM)
        services.delete_trigger(trigger, actor=SYSTEM)
        services.delete_calendar(made, actor=SYSTEM)

        assert not Calendar.objects.alive().exists()


def ical(*events):
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN"]
    for number, event in enumerate(events):
        lines += ["BEGIN:VEVENT", f"UID:{number}@test", *event.split("\n"), "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


DAY_OFF = "SUMMARY:Day off\nDTSTART;VALUE=DATE:20260501\nDTEND;VALUE=DATE:20260502"


class TestTakingOver:
    def test_whole_days_and_times_and_weeks_and_years(self):
        made = calendar(time_zone="Europe/Berlin")

        imported = services.import_calendar(
            made,
            actor=SYSTEM,
            text=ical(
                DAY_OFF,
                "SUMMARY:Single day\nDTSTART;VALUE=DATE:20260504",
                "SUMMARY:Upgrade\nDTSTART:20260506T200000Z\nDURATION:PT2H",
                "SUMMARY:Floating\nDTSTART:20260507T080000\nDTEND:20260507T090000",
                "SUMMARY:Standup\nDTSTART;TZID=Europe/Berlin:20260105T090000\nDTEND;TZID=Europe/Berlin:20260105T093000\n"
                "RRULE:FREQ=WEEKLY;BYDAY=MO,WE",
                "SUMMARY:Sundays\nDTSTART;VALUE=DATE:20260104\nRRULE:FREQ=WEEKLY",
                "SUMMARY:New year\nDTSTART;VALUE=DATE:20260101\nRRULE:FREQ=YEARLY",
            ),
        )

        assert imported == services.Imported(7, [])
        assert silent(made, 2026, 5, 1, 23) == "Day off"
        assert silent(made, 2026, 5, 2) is None
        assert silent(made, 2026, 5, 4, 12) == "Single day"
        assert silent(made, 2026, 5, 6, 22, 30) == "Upgrade"
        assert silent(made, 2026, 5, 7, 8, 30) == "Floating"
        assert silent(made, 2027, 5, 5, 9, 10) == "Standup"
        assert silent(made, 2026, 5, 10, 12) == "Sundays"
        assert silent(made, 2033, 1, 1) == "New year"
        assert made.rules.get(label="Standup").begins == time(9, 0)

    @pytest.mark.parametrize(
        "event",
        [
            "DTSTART:20260506T200000Z\nRRULE:FREQ=MONTHLY;BYDAY=1MO",
            "DTSTART;VALUE=DATE:20260506\nRRULE:FREQ=WEEKLY;COUNT=3",
            "DTSTART;VALUE=DATE:20260506\nRRULE:FREQ=WEEKLY;INTERVAL=2",
            "DTSTART;VALUE=DATE:20260506\nRRULE:FREQ=WEEKLY\nEXDATE;VALUE=DATE:20260513",
            "DTSTART;VALUE=DATE:20260506\nRRULE:FREQ=YEARLY;BYMONTH=7",
            "DTSTART;VALUE=DATE:20260506\nDTEND;VALUE=DATE:20260505",
            "DTSTART:20260506T200000Z\nDTEND:20260506T200000Z",
            "DTSTART;VALUE=DATE:20260506\nDTEND:20260506T200000Z",
            "DTSTART:tomorrow",
            "COMMENT:no beginning",
        ],
    )
    def test_an_event_that_cannot_be_read_is_named_and_the_others_are_taken(self, event):
        made = calendar()

        imported = services.import_calendar(made, actor=SYSTEM, text=ical(f"SUMMARY:Odd\n{event}", DAY_OFF))

        assert imported.rules == 1
        [(name, why)] = imported.problems
        assert name == "Odd"
        assert why

    def test_again_replaces_what_was_taken_over_and_leaves_what_was_made_by_hand(self):
        made = calendar(rules=[CHRISTMAS])
        services.import_calendar(made, actor=SYSTEM, text=ical(DAY_OFF))

        services.import_calendar(made, actor=SYSTEM, text=ical(DAY_OFF.replace("Day off", "Labour day")))

        assert set(made.rules.values_list("label", flat=True)) == {"Christmas", "Labour day"}

    @pytest.mark.parametrize(
        "text",
        ["", "hello", "BEGIN:VCALENDAR\r\n", ical(), ical("SUMMARY:Odd\nCOMMENT:x"), "x" * (2 * 1024 * 1024 + 1)],
    )
    def test_a_text_of_which_nothing_can_be_taken_over_is_refused(self, text):
        made = calendar(rules=[CHRISTMAS])

        assert refused(lambda **given: services.import_calendar(made, **given), text=text) == ["text"]

        assert made.rules.count() == 1

    def test_what_was_cancelled_is_left_out_without_a_word(self):
        imported = services.import_calendar(
            calendar(), actor=SYSTEM, text=ical(DAY_OFF, DAY_OFF + "\nSTATUS:CANCELLED")
        )

        assert imported == services.Imported(1, [])


def test_wall_clock_times_are_kept_as_they_are():
    made = calendar(time_zone="Asia/Tokyo", rules=[CHRISTMAS | {"kind": "period"}])

    assert made.rules.get().first_at == datetime(2026, 12, 25, tzinfo=UTC)
    assert silent(made, 2026, 12, 24, 15, 30, zone="UTC") == "Christmas"
