"""Pages of calendars: rules, a month, and files of others taken over."""

from datetime import UTC, datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.triggers.admin import months
from apps.triggers.models import Calendar
from tests import make
from tests.admin.visitors import list_of, new, page_of, superuser, text_of, with_permissions

pytestmark = pytest.mark.django_db


def ics(*events: str) -> SimpleUploadedFile:
    body = "".join(f"BEGIN:VEVENT\r\n{event}\r\nEND:VEVENT\r\n" for event in events)
    text = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:test\r\n{body}END:VCALENDAR\r\n"
    return SimpleUploadedFile("days.ics", text.encode())


def rules_of(calendar):
    return [(rule.kind, rule.label) for rule in calendar.rules.order_by("pk")]


def empty_calendar(**fields):
    return make.calendar(**{"rules": []} | fields)


def test_the_free_days_of_a_week_are_asked_for_when_it_is_made():
    folder = make.folder()

    superuser().post(
        new(Calendar), {"name": "Work", "folder": folder.pk, "time_zone": "Asia/Tokyo", "weekdays": ["5", "6"]}
    )

    calendar = Calendar.objects.get()
    assert (calendar.time_zone, [rule.weekdays for rule in calendar.rules.all()]) == ("Asia/Tokyo", [[5, 6]])


def test_rules_of_each_kind_are_added_and_taken_away():
    calendar, visitor = empty_calendar(), superuser()

    visitor.do(calendar, "weekly", label="Nights", weekdays=["0", "1"], begins="22:00", ends="06:00")
    visitor.do(calendar, "days", label="Christmas", first_at="2026-12-24", last_at="2026-12-26", every_year="on")
    visitor.do(calendar, "period", label="Move", first_at="2026-05-01T18:00", last_at="2026-05-03T06:00")
    added = rules_of(calendar)
    shown = text_of(visitor.open(calendar))
    visitor.do(calendar, "remove", rules=[calendar.rules.get(label="Move").pk])

    assert added == [("weekly", "Nights"), ("dates", "Christmas"), ("period", "Move")]
    assert "every week on Monday, Tuesday, 22:00 to 06:00" in shown
    assert "24 Dec to 26 Dec, every year" in shown
    assert "01 May 2026 18:00 to 03 May 2026 06:00" in shown
    assert rules_of(calendar) == [("weekly", "Nights"), ("dates", "Christmas")]


@pytest.mark.parametrize(
    ("operation", "typed", "said"),
    [
        ("weekly", {"begins": "18:00"}, "This field is required."),
        ("days", {"label": "x", "first_at": "2026-12-24", "last_at": "2026-12-01"}, "The last day comes before"),
        ("period", {"label": "x", "first_at": "2026-05-03T06:00", "last_at": "2026-05-01T06:00"}, "Must be later"),
    ],
)
def test_a_rule_that_means_nothing_is_refused_at_its_field(operation, typed, said):
    calendar = empty_calendar()

    response = superuser().do(calendar, operation, **typed)

    assert said in text_of(response)
    assert rules_of(calendar) == []


def test_a_file_is_taken_over_and_what_was_left_out_is_named_with_the_reason():
    calendar, visitor = empty_calendar(), superuser()
    christmas = "UID:1\r\nSUMMARY:Christmas\r\nDTSTART;VALUE=DATE:20261225"
    hourly = "UID:2\r\nSUMMARY:Closing\r\nDTSTART;VALUE=DATE:20260131\r\nRRULE:FREQ=HOURLY"

    shown = text_of(visitor.do(calendar, "import", text=ics(christmas, hourly)))

    assert rules_of(calendar) == [("dates", "Christmas")]
    assert "1 rule of the file is" in shown
    assert "Closing" in shown
    assert "FREQ=HOURLY" in shown


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (SimpleUploadedFile("days.ics", b"nothing of the kind"), "It is no iCalendar"),
        (SimpleUploadedFile("days.ics", b"\xff\xfe\x00"), "It is no text in UTF-8"),
    ],
)
def test_what_is_no_calendar_file_is_refused_and_the_rules_stay(file, said):
    calendar = make.calendar()

    shown = text_of(superuser().do(calendar, "import", text=file))

    assert said in shown
    assert calendar.rules.count() == 1


def test_a_month_marks_silent_days_and_hours_and_today():
    hours = {"kind": "weekly", "label": "Evening", "weekdays": [0], "begins": "18:00"}
    day = {"kind": "dates", "label": "Day off", "first_at": datetime(2026, 11, 24), "last_at": datetime(2026, 11, 25)}  # noqa: DTZ001
    calendar = empty_calendar(time_zone="Asia/Tokyo", rules=[hours, day])
    late_in_utc = datetime(2026, 11, 22, 20, tzinfo=UTC)

    month = months.month_of(calendar, "2026-11", now=late_in_utc)

    shown = {one.date.day: (one.tone, one.labels, one.is_today) for week in month.weeks for one in week}
    assert shown[23] == ("part", ["18:00–24:00 Evening"], True)
    assert shown[24] == ("all", ["Day off"], False)
    assert shown[25] == ("none", [], False)
    assert (month.previous, month.following) == ("2026-10", "2026-12")


def test_the_page_leads_to_the_months_before_and_after():
    calendar, visitor = make.calendar(), superuser()

    january = text_of(visitor.get(page_of(calendar), month="2027-01"))
    nonsense = visitor.get(page_of(calendar), month="soon")

    assert "January 2027" in january
    assert ("?month=2026-12" in january, "?month=2027-02" in january) == (True, True)
    assert nonsense.status_code == 200


def test_it_names_the_triggers_that_heed_it_as_far_as_the_reader_may_see_them():
    process = make.process()
    calendar = make.calendar(process.folder)
    trigger = make.trigger(process, calendar=calendar)
    stranger = with_permissions("triggers.view_calendar", inside=process.tenant)

    assert page_of(trigger) in text_of(superuser().open(calendar))
    assert page_of(trigger) not in text_of(stranger.open(calendar))


def test_one_that_is_heeded_is_not_deleted():
    process = make.process()
    calendar = make.calendar(process.folder)
    make.trigger(process, calendar=calendar, name="Nightly")

    shown = text_of(superuser().do(calendar, "delete"))

    assert "The trigger “Nightly” heeds this calendar" in shown
    assert page_of(calendar) in text_of(superuser().get(list_of(Calendar)))
