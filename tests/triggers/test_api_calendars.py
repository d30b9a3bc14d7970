"""Calendars over the API."""

from __future__ import annotations

import io

import pytest

from apps.audit.models import AuditEntry
from tests import api, make
from tests.api_routes import EVENT

pytestmark = pytest.mark.django_db

WEEKEND = {"kind": "weekly", "label": "weekend", "weekdays": [5, 6]}
NIGHTS = {"kind": "weekly", "label": "night", "weekdays": [0], "begins": "22:00", "ends": "06:00"}
CHRISTMAS = {
    "kind": "dates", "label": "Christmas", "first_at": "2026-12-25", "last_at": "2026-12-27", "every_year": True,
}  # fmt: skip


@pytest.fixture
def calendar():
    """A calendar that is silent at weekends."""
    return make.calendar()


class TestCalendars:
    def test_are_made_read_changed_and_deleted(self):
        folder, root = make.folder(), api.root()
        asked = {"name": "Germany", "folder": str(folder.pk), "time_zone": "Europe/Berlin", "rules": [CHRISTMAS]}

        made = root.post("calendars", asked)
        path = f"calendars/{made.json()['id']}"
        changed = root.patch(path, {"rules": [WEEKEND, NIGHTS]})
        gone = root.delete(path)

        assert made.status_code == 201
        assert made.json()["rules"] == [
            {
                **CHRISTMAS, "first_at": "2026-12-25T00:00:00", "last_at": "2026-12-27T00:00:00", "weekdays": [],
                "begins": None, "ends": None, "imported": False,
            },
        ]  # fmt: skip
        assert [rule["label"] for rule in changed.json()["rules"]] == ["weekend", "night"]
        assert (gone.status_code, root.get(path).status_code) == (204, 404)
        assert AuditEntry.objects.filter(target_id=made.json()["id"]).count() == 3

    @pytest.mark.parametrize(
        ("rule", "named"),
        [
            ({"kind": "moon"}, "rules.0.kind"),
            ({"kind": "weekly", "weekdays": [7]}, "rules.0.weekdays.0"),
            ({"kind": "weekly"}, "rules[0].weekdays"),
            ({**CHRISTMAS, "last_at": "2026-12-25"}, "rules[0].last_at"),
            ({**CHRISTMAS, "first_at": "2026-12-25T00:00:00Z"}, "rules.0.first_at"),
            ({**CHRISTMAS, "first_at": "2026-12-25T00:00:00-05:00"}, "rules.0.first_at"),
            ({**CHRISTMAS, "last_at": "3000-01-01"}, "rules.0.last_at"),
            ({**NIGHTS, "begins": "25:00"}, "rules.0.begins"),
            ({**WEEKEND, "colour": "red"}, "rules.0.colour"),
        ],
    )
    def test_what_is_wrong_is_named(self, rule, named):
        refused = api.root().post("calendars", {"name": "x", "folder": str(make.folder().pk), "rules": [rule]})

        assert api.fields_refused(refused) == {named}

    def test_an_unknown_zone_is_named(self):
        asked = {"name": "x", "folder": str(make.folder().pk), "time_zone": "Mars/Base"}

        assert api.fields_refused(api.root().post("calendars", asked)) == {"time_zone"}

    def test_one_that_a_trigger_heeds_stays(self, calendar):
        make.trigger(make.process(calendar.folder), calendar=calendar)

        refused = api.root().delete(f"calendars/{calendar.pk}")

        assert (refused.status_code, refused.json()["code"]) == (409, "in_use")

    def test_are_listed_without_their_rules(self, calendar):
        [row] = api.root().get("calendars", {"folder": calendar.folder_id, "name": "CALENDAR"}).json()["items"]

        assert (row["id"], "rules" in row) == (str(calendar.pk), False)


class TestImport:
    def test_takes_over_events_sent_as_text(self, calendar):
        root = api.root()

        imported = root.post(f"calendars/{calendar.pk}/import", {"text": EVENT})

        assert imported.json() == {"rules": 1, "problems": []}
        rules = root.get(f"calendars/{calendar.pk}").json()["rules"]
        assert [(rule["label"], rule["imported"]) for rule in rules] == [("weekend", False), ("Christmas", True)]

    def test_takes_over_a_file(self, calendar):
        file = io.BytesIO(EVENT.encode("utf-8-sig"))
        file.name = "holidays.ics"

        imported = api.root().upload(file, f"calendars/{calendar.pk}/import")

        assert (imported.status_code, imported.json()["rules"]) == (200, 1)

    @pytest.mark.parametrize(
        ("body", "named"),
        [
            ({}, "text"),
            ({"text": "no calendar"}, "text"),
            ({"text": ""}, "text"),
            ({"file": "text"}, "file"),
        ],
    )
    def test_what_is_no_calendar_is_refused(self, calendar, body, named):
        refused = api.root().post(f"calendars/{calendar.pk}/import", body)

        assert api.fields_refused(refused) == {named}

    def test_a_file_that_is_not_text_is_refused(self, calendar):
        file = io.BytesIO(b"\xff\xfe\x00")
        file.name = "holidays.ics"

        assert api.fields_refused(api.root().upload(file, f"calendars/{calendar.pk}/import")) == {"file"}

    def test_a_file_that_is_too_large_is_refused_before_it_is_read(self, calendar):
        file = io.BytesIO(b"x" * (4 * 1024 * 1024))
        file.name = "holidays.ics"

        assert api.root().upload(file, f"calendars/{calendar.pk}/import").status_code == 413


class TestDays:
    def test_tell_what_is_silent_on_each_day_of_a_month(self):
        calendar = make.calendar(rules=[WEEKEND, NIGHTS], time_zone="Europe/Berlin")

        told = api.root().get(f"calendars/{calendar.pk}/days", {"month": "2026-02"}).json()

        assert (told["month"], told["time_zone"], len(told["days"])) == ("2026-02", "Europe/Berlin", 28)
        assert told["days"][0] == {
            "date": "2026-02-01",
            "is_silent": True,
            "hours": [{"label": "weekend", "begins": "00:00:00", "ends": None}],
        }
        assert told["days"][1]["hours"] == [{"label": "night", "begins": "22:00:00", "ends": None}]
        assert told["days"][2]["hours"] == [{"label": "night", "begins": "00:00:00", "ends": "06:00:00"}]
        assert [day["is_silent"] for day in told["days"][:7]] == [True, False, False, False, False, False, True]

    def test_a_day_of_several_stretches_is_silent_where_they_leave_nothing_out(self):
        halves = [
            {**WEEKEND, "label": "morning", "begins": "00:00", "ends": "13:00"},
            {**WEEKEND, "label": "evening", "begins": "12:00"},
        ]
        calendar = make.calendar(rules=halves)

        days = api.root().get(f"calendars/{calendar.pk}/days", {"month": "2026-02"}).json()["days"]

        assert (days[0]["is_silent"], days[1]["is_silent"], len(days[0]["hours"])) == (True, False, 2)

    def test_are_those_of_this_month_where_none_is_named(self, calendar):
        told = api.root().get(f"calendars/{calendar.pk}/days").json()

        assert len(told["days"]) >= 28

    @pytest.mark.parametrize("month", ["2026-13", "2026", "soon", "9999-01", ""])
    def test_what_is_no_month_is_refused(self, calendar, month):
        assert api.fields_refused(api.root().get(f"calendars/{calendar.pk}/days", {"month": month})) == {"month"}
