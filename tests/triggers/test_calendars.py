"""Making and changing calendars, and taking over those of others."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
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
            ({"rules": [CHRISTMAS | {"last_at": datetime(2200, 1, 1, tzinfo=UTC)}]}, ["rules[0].last_at"]),
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
            "DTSTART:20260506T200000Z\nDURATION:PT1S\nRRULE:FREQ=SECONDLY",
            "DTSTART:20260506T200000Z\nDURATION:PT1H\nRRULE:FREQ=HOURLY;COUNT=2",
            "DTSTART;VALUE=DATE:20260506\nRRULE:FREQ=YEARLY;BYWEEKNO=7;COUNT=2",
            "DTSTART;VALUE=DATE:20260506\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
            "DTSTART;VALUE=DATE:20260506\nRRULE:FREQ=DAILY;INTERVAL=2",
            "DTSTART;VALUE=DATE:20260506\nRRULE:FREQ=WEEKLY;COUNT=many",
            "DTSTART;VALUE=DATE:20260506\nRRULE:FREQ=WEEKLY;COUNT=0",
            "DTSTART;TZID=Moon/Base:20260506T200000\nDURATION:PT1H",
            "DTSTART;VALUE=DATE:20260506\nRDATE;VALUE=PERIOD:20260507T000000Z/PT1H",
            "RECURRENCE-ID;RANGE=THISANDFUTURE;VALUE=DATE:20260506\nDTSTART;VALUE=DATE:20260507",
            "DTSTART;VALUE=DATE:20260506\nDTEND;VALUE=DATE:20260505",
            "DTSTART:20260506T200000Z\nDTEND:20260506T200000Z",
            "DTSTART;VALUE=DATE:20260506\nDTEND:20260506T200000Z",
            "DTSTART:tomorrow",
            "COMMENT:no beginning",
            "RECURRENCE-ID:tomorrow\nDTSTART;VALUE=DATE:20260507",
            "RECURRENCE-ID;VALUE=DATE:20260506\nRECURRENCE-ID;VALUE=DATE:20260508\nDTSTART;VALUE=DATE:20260507",
        ],
    )
    def test_an_event_that_cannot_be_read_is_named_and_the_others_are_taken(self, event):
        made = calendar()

        imported = services.import_calendar(made, actor=SYSTEM, text=ical(f"SUMMARY:Odd\n{event}", DAY_OFF))

        assert imported.rules == 1
        [(name, why)] = imported.problems
        assert name == "Odd"
        assert why

    @pytest.mark.parametrize(
        ("event", "days"),
        [
            pytest.param("RRULE:FREQ=WEEKLY;COUNT=3", ["12-07", "12-14", "12-21"], id="so often"),
            pytest.param("RRULE:FREQ=WEEKLY;UNTIL=20261214", ["12-07", "12-14"], id="up to a day"),
            pytest.param("RRULE:FREQ=WEEKLY;INTERVAL=2;COUNT=2", ["12-07", "12-21"], id="every other week"),
            pytest.param("RRULE:FREQ=DAILY;COUNT=2", ["12-07", "12-08"], id="day after day"),
            pytest.param("RRULE:FREQ=MONTHLY;BYDAY=-1MO;UNTIL=20270131", ["12-28", "01-25"], id="last Monday"),
            pytest.param("RRULE:FREQ=MONTHLY;BYMONTHDAY=31;COUNT=2", ["12-31", "01-31"], id="the 31st"),
            pytest.param("RRULE:FREQ=YEARLY;BYMONTH=7;COUNT=1", ["07-07"], id="another month"),
            pytest.param("RRULE:FREQ=WEEKLY;COUNT=3\nEXDATE;VALUE=DATE:20261214", ["12-07", "12-21"], id="but for one"),
            pytest.param("RDATE;VALUE=DATE:20261209,20261211", ["12-07", "12-09", "12-11"], id="further days"),
        ],
    )
    def test_what_comes_again_is_worked_out(self, event, days):
        made = calendar()

        imported = services.import_calendar(made, actor=SYSTEM, text=ical(f"DTSTART;VALUE=DATE:20261207\n{event}"))

        assert imported.problems == []
        assert sorted(f"{rule.first_at:%Y-%m-%d}"[5:] for rule in made.rules.all()) == sorted(days)
        assert {rule.last_at - rule.first_at for rule in made.rules.all()} == {timedelta(days=1)}

    def test_what_comes_every_day_or_working_day_without_end_is_one_rule(self):
        made = calendar()

        services.import_calendar(
            made,
            actor=SYSTEM,
            text=ical(
                "SUMMARY:Backup\nDTSTART:20261207T020000\nDURATION:PT1H\nRRULE:FREQ=DAILY",
                "SUMMARY:Lunch\nDTSTART:20261207T120000\nDURATION:PT1H\nRRULE:FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR",
            ),
        )

        assert dict(made.rules.values_list("label", "weekdays")) == {
            "Backup": [0, 1, 2, 3, 4, 5, 6], "Lunch": [0, 1, 2, 3, 4],
        }  # fmt: skip

    def test_times_of_another_zone_follow_its_clocks(self):
        made = calendar(time_zone="Europe/Berlin")

        services.import_calendar(
            made,
            actor=SYSTEM,
            text=ical(
                "SUMMARY:Open\nDTSTART;TZID=America/New_York:20270301T090000\nDURATION:PT1H\n"
                "RRULE:FREQ=WEEKLY;UNTIL=20270329T130000Z"
            ),
        )

        # From 14 to 28 March clocks have changed in New York and not yet in Berlin.
        assert [f"{rule.first_at:%m-%d %H:%M}" for rule in made.rules.order_by("first_at")] == [
            "03-01 15:00", "03-08 15:00", "03-15 14:00", "03-22 14:00", "03-29 15:00",
        ]  # fmt: skip

    def test_a_time_that_was_moved_takes_the_place_of_the_one_it_was(self):
        made = calendar()
        series = "UID:s\nSUMMARY:Meeting\nDTSTART;VALUE=DATE:20261207\nRRULE:FREQ=WEEKLY;COUNT=3"
        moved = "UID:s\nSUMMARY:Moved\nRECURRENCE-ID;VALUE=DATE:20261214\nDTSTART;VALUE=DATE:20261215"
        dropped = "UID:s\nRECURRENCE-ID;VALUE=DATE:20261221\nDTSTART;VALUE=DATE:20261221\nSTATUS:CANCELLED"

        services.import_calendar(made, actor=SYSTEM, text=re.sub("UID:.@test\r\n", "", ical(series, moved, dropped)))

        days = [f"{rule.first_at:%m-%d} {rule.label}" for rule in made.rules.order_by("first_at")]
        assert days == ["12-07 Meeting", "12-15 Moved"]

    def test_what_takes_more_than_one_rule_and_never_ends_is_taken_for_some_years_and_says_so(self):
        made = calendar()

        imported = services.import_calendar(
            made, actor=SYSTEM, text=ical("SUMMARY:Patch\nDTSTART;VALUE=DATE:20200114\nRRULE:FREQ=MONTHLY;BYDAY=2TU")
        )

        [(name, why)] = imported.problems
        assert (name, "import it again before" in why) == ("Patch", True)
        assert 12 * 5 <= imported.rules <= 12 * 7
        assert made.rules.latest("first_at").first_at < datetime.now(UTC) + timedelta(days=366 * 5 + 1)

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            pytest.param("BEGIN:VEVENT\r\n" * 10_000, "deep in one another", id="endlessly deep"),
            pytest.param(
                ical(*["DTSTART;VALUE=DATE:20260506\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"] * 9),
                "never come", id="rules that never come",
            ),
            pytest.param(
                ical(*["DTSTART;VALUE=DATE:19700101\nRRULE:FREQ=DAILY;INTERVAL=3"] * 20),
                "more than 100000 times", id="more dates than anybody has days off",
            ),
            pytest.param(ical(*["COMMENT:x"] * 2_001), "2001 events", id="too many events"),
            pytest.param("BEGIN:VEVENT\r\nEND:VEVENT\r\n" * 9_000, "6000 components", id="very many events"),
            pytest.param("A:B\r\n" * 50_001, "50000 lines", id="too many lines"),
        ],
    )  # fmt: skip
    def test_a_file_that_takes_too_much_is_refused(self, text, why):
        with pytest.raises(Invalid, match=why):
            services.import_calendar(calendar(), actor=SYSTEM, text=text)

    def test_definitions_of_time_zones_are_not_worked_out(self):
        zone = (
            "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n"
            "RRULE:FREQ=SECONDLY\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+2300\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
        )
        text = ical("SUMMARY:Upgrade\nDTSTART;TZID=Europe/Berlin:20260506T200000\nDURATION:PT1H")
        made = calendar(time_zone="Europe/Berlin")

        services.import_calendar(made, actor=SYSTEM, text=text.replace("BEGIN:VEVENT", zone + "BEGIN:VEVENT"))

        assert silent(made, 2026, 5, 6, 20, 30) == "Upgrade"

    def test_again_replaces_what_was_taken_over_and_leaves_what_was_made_by_hand(self):
        made = calendar(rules=[CHRISTMAS])
        services.import_calendar(made, actor=SYSTEM, text=ical(DAY_OFF))

        services.import_calendar(made, actor=SYSTEM, text=ical(DAY_OFF.replace("Day off", "Labour day")))

        assert set(made.rules.values_list("label", flat=True)) == {"Christmas", "Labour day"}

    @pytest.mark.parametrize(
        "text",
        [
            "", "hello", "BEGIN:VCALENDAR\r\n", ical(), ical("SUMMARY:Odd\nCOMMENT:x"), "x" * (2 * 1024 * 1024 + 1),
            pytest.param(ical(DAY_OFF.replace("Day", "\0")), id="NUL"),
        ],
    )  # fmt: skip
    def test_a_text_of_which_nothing_can_be_taken_over_is_refused(self, text):
        made = calendar(rules=[CHRISTMAS])

        assert refused(lambda **given: services.import_calendar(made, **given), text=text) == ["text"]

        assert made.rules.count() == 1

    def test_a_text_is_never_taken_for_the_path_of_a_file(self, tmp_path):
        calendar_of_the_server, secret = tmp_path / "a.ics", tmp_path / "environment"
        calendar_of_the_server.write_text(ical(DAY_OFF))
        secret.write_text("PASSWORD=hunter2")

        with pytest.raises(Invalid):
            services.import_calendar(calendar(), actor=SYSTEM, text=str(calendar_of_the_server))
        with pytest.raises(Invalid) as told:
            services.import_calendar(calendar(), actor=SYSTEM, text=str(secret))

        assert "hunter2" not in str(told.value)

    def test_what_was_cancelled_is_left_out_without_a_word(self):
        imported = services.import_calendar(
            calendar(), actor=SYSTEM, text=ical(DAY_OFF, DAY_OFF + "\nSTATUS:CANCELLED")
        )

        assert imported == services.Imported(1, [])


def test_wall_clock_times_are_kept_as_they_are():
    made = calendar(time_zone="Asia/Tokyo", rules=[CHRISTMAS | {"kind": "period"}])

    assert made.rules.get().first_at == datetime(2026, 12, 25, tzinfo=UTC)
    assert silent(made, 2026, 12, 24, 15, 30, zone="UTC") == "Christmas"
