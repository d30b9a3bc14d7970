"""Calendars, their rules, and the days on which they are silent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rest_framework import serializers

from apps.core.api.rows import ChangeSerializer, RowField, RowRef
from apps.core.api.serializers import InputSerializer, MomentField, NameField, OutputSerializer
from apps.tenancy.models import Folder
from apps.triggers.models import Calendar, CalendarRule, RuleKind
from apps.triggers.services import MOST_RULES

_FIRST = "Whole days or a period: the first day or moment of silence, on the calendar's clock, without an offset."
_LAST = "The first day or moment after it."


class WallClockField(MomentField):
    """A moment on the calendar's own clock: ISO 8601 without an offset, a day alone meaning its first moment."""

    default_error_messages = {"offset": "Write it as the calendar's own clock shows it, without an offset or Z."}

    def to_internal_value(self, value: Any) -> datetime:
        text = str(value)
        if text.endswith(("Z", "z")) or "+" in text or "-" in text[10:]:
            self.fail("offset")
        return super().to_internal_value(value)

    def to_representation(self, value: Any) -> str:
        moment: datetime = value
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat()


class CalendarRow(OutputSerializer):
    """A calendar in a list; its rules are left to reading the one calendar."""

    folder = RowRef()

    class Meta:
        model = Calendar
        fields = ["id", "tenant", "folder", "name", "description", "time_zone", "created_at"]


class RuleOut(OutputSerializer):
    """One stretch of silence."""

    weekdays = serializers.ListField(child=serializers.IntegerField())
    first_at = WallClockField(allow_null=True, help_text=_FIRST)
    last_at = WallClockField(allow_null=True, help_text=_LAST)
    imported = serializers.BooleanField(source="is_imported", help_text="Taken over; the next import replaces it.")

    class Meta:
        model = CalendarRule
        fields = [
            "kind", "label", "weekdays", "begins", "ends", "first_at", "last_at", "every_year", "imported",
        ]  # fmt: skip


class CalendarOut(CalendarRow):
    """When the triggers that name it stay silent, by its own clock."""

    rules = RuleOut(many=True)

    class Meta(CalendarRow.Meta):
        fields = [*CalendarRow.Meta.fields, "rules"]


class WantedRule(InputSerializer):
    """A stretch of silence: the same hours of some weekdays, whole days, or from one moment to another."""

    kind = serializers.ChoiceField(RuleKind.choices)
    label = serializers.CharField(  # type: ignore[assignment]
        max_length=200, required=False, allow_blank=True, help_text="Such as Christmas."
    )
    weekdays = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=6),
        max_length=7,
        required=False,
        help_text="Weekly: 0 is Monday, 6 is Sunday.",
    )
    begins = serializers.TimeField(required=False, allow_null=True, help_text="Weekly: from then on. Null: all day.")
    ends = serializers.TimeField(
        required=False, allow_null=True, help_text="Weekly: up to then, which may be the next day's."
    )
    first_at = WallClockField(required=False, allow_null=True, help_text=_FIRST)
    last_at = WallClockField(required=False, allow_null=True, help_text=_LAST)
    every_year = serializers.BooleanField(required=False, help_text="Whole days: again each year.")


class CreateCalendar(InputSerializer):
    name = NameField(max_length=100)
    folder = RowField(Folder.objects.alive(), required=False, help_text="Where it lives.")
    description = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    time_zone = serializers.CharField(
        required=False, max_length=64, help_text="An IANA name such as Europe/Berlin. Left out: UTC."
    )
    rules = serializers.ListField(
        child=WantedRule(),
        max_length=MOST_RULES,
        required=False,
        help_text="Where given in a change, these replace all there are, imported ones included.",
    )


class UpdateCalendar(ChangeSerializer, CreateCalendar):
    folder = None  # type: ignore[assignment]


class ImportCalendar(InputSerializer):
    text = serializers.CharField(
        required=False, trim_whitespace=False, help_text="iCalendar text, of up to 256 KiB. A longer one goes as file."
    )
    file = serializers.FileField(required=False, max_length=255, help_text="An `.ics` file, in UTF-8.")


class ProblemOut(serializers.Serializer):
    """An event that could not be taken over, or not to its end."""

    event = serializers.CharField()
    reason = serializers.CharField()


class ImportedOut(serializers.Serializer):
    """What came of an import."""

    rules = serializers.IntegerField(help_text="So many rules the events became.")
    problems = ProblemOut(many=True, help_text="Each event that was left out or cut short, and why.")


class HoursOut(serializers.Serializer):
    """A part of a day that is silent."""

    label = serializers.CharField()  # type: ignore[assignment]
    begins = serializers.TimeField()
    ends = serializers.TimeField(allow_null=True, help_text="Null: the end of the day.")


class DayOut(serializers.Serializer):
    """One day of the month."""

    date = serializers.DateField()
    is_silent = serializers.BooleanField(help_text="All day.")
    hours = HoursOut(many=True, help_text="What is silent, the earliest first; stretches may overlap.")


class DaysOut(serializers.Serializer):
    """The days of a month, by the calendar's own clock."""

    month = serializers.CharField(help_text="Such as 2026-12.")
    time_zone = serializers.CharField()
    days = DayOut(many=True)
