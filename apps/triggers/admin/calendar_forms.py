"""The forms of calendars and of their rules."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any, Final

from django import forms
from unfold import widgets

from apps.core.admin.forms import DayInput, FileInput, MomentInput, OperatorForm
from apps.tenancy.admin.places import FolderField
from apps.triggers.admin import months
from apps.triggers.admin.fields import ZoneField
from apps.triggers.models import Calendar, CalendarRule, RuleKind
from apps.triggers.rules import icalendars

WEEKDAYS: Final = tuple((str(number), name) for number, name in enumerate(months.WEEKDAYS))
#: So many rules can be chosen at once; taking over a file anew replaces those of the file before.
MOST_OFFERED: Final = 300


class TimeInput(forms.TimeInput):
    """The browser's own control for a time of day."""

    input_type = "time"

    def __init__(self) -> None:
        super().__init__({"class": " ".join(widgets.BASE_INPUT_CLASSES)}, format="%H:%M")


class WeekdaysField(forms.MultipleChoiceField):
    """Days of the week, as numbers from Monday, which is 0."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=WEEKDAYS, widget=forms.CheckboxSelectMultiple, **kwargs)

    def clean(self, value: Any) -> list[int]:
        """Return the numbers of the days."""
        return [int(number) for number in super().clean(value)]


class CalendarForm(OperatorForm):
    """Asks what a calendar is called and by which clocks it goes."""

    asks_for = (Calendar, ("name", "description"))
    time_zone = ZoneField(help_text="Its days and hours are meant there. Type part of a name, and choose.")
    field_order = ("name", "description", "time_zone")


class NewCalendarForm(CalendarForm):
    """Asks as well where it lives and which days of the week are free."""

    folder = FolderField(help_text="Triggers of the whole tenant may heed it.")
    weekdays = WeekdaysField(
        label="Silent every week on", required=False, help_text="The rest is added on its page, or from a file."
    )

    def offer(self) -> None:
        folder: Any = self.fields["folder"]
        folder.offer(self.actor, "triggers.add_calendar")
        self.order_fields(["name", "folder", "description", "time_zone", "weekdays"])

    def clean(self) -> dict[str, Any]:
        """Make one rule of the free days."""
        values = super().clean() or self.cleaned_data
        weekdays = values.pop("weekdays", [])
        rules = [{"kind": RuleKind.WEEKLY, "label": _of_days(weekdays), "weekdays": weekdays}] if weekdays else []
        return {**values, "rules": rules}


class WeeklyForm(OperatorForm):
    """Asks for the same hours of some weekdays."""

    label = forms.CharField(max_length=200, required=False, help_text="What it is, such as Weekend.")
    weekdays = WeekdaysField(label="Every week on")
    begins = forms.TimeField(label="From", required=False, widget=TimeInput(), help_text="Empty: from midnight on.")
    ends = forms.TimeField(
        label="Up to",
        required=False,
        widget=TimeInput(),
        help_text="Empty: to the end of the day. Earlier than from: up to then on the next day.",
    )

    def clean(self) -> dict[str, Any]:
        """Return a rule of its kind."""
        values = super().clean() or self.cleaned_data
        label = values.get("label") or _of_days(values.get("weekdays", []))
        return {**values, "label": label, "kind": RuleKind.WEEKLY}


class DaysForm(OperatorForm):
    """Asks for whole days, the last of them included."""

    label = forms.CharField(max_length=200, help_text="What it is, such as Christmas.")
    first_at = forms.DateField(label="First day", widget=DayInput())
    last_at = forms.DateField(label="Last day", required=False, widget=DayInput(), help_text="Empty: one day alone.")
    every_year = forms.BooleanField(label="Again every year", required=False)

    def clean(self) -> dict[str, Any]:
        """Return a rule of its kind, which names the first moment after the silence."""
        values = super().clean() or self.cleaned_data
        if self.errors:
            return values
        last = values["last_at"] or values["first_at"]
        if last < values["first_at"]:
            self.add_error("last_at", "The last day comes before the first.")
        values["first_at"] = datetime.combine(values["first_at"], time.min)
        values["last_at"] = datetime.combine(last, time.min) + timedelta(days=1)
        return {**values, "kind": RuleKind.DATES}


class WallClockField(forms.DateTimeField):
    """A moment on the calendar's own clock, whatever the reader's zone."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=MomentInput(), **kwargs)

    def to_python(self, value: Any) -> datetime | None:
        """Return a moment without a zone."""
        if value in self.empty_values:
            return None
        try:
            return datetime.fromisoformat(str(value)).replace(tzinfo=None)
        except ValueError:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from None


class PeriodForm(OperatorForm):
    """Asks for a stretch from one moment to another."""

    label = forms.CharField(max_length=200, help_text="What it is, such as Move of the data centre.")
    first_at = WallClockField(label="From")
    last_at = WallClockField(label="Up to")

    def offer(self) -> None:
        """Say by which clocks they are meant."""
        for name in ("first_at", "last_at"):
            self.fields[name].help_text = f"By the clocks of the calendar, {self.row.time_zone}."

    def clean(self) -> dict[str, Any]:
        """Return a rule of its kind."""
        return {**(super().clean() or self.cleaned_data), "kind": RuleKind.PERIOD}


class RemoveForm(OperatorForm):
    """Asks which rules are to go."""

    rules = forms.ModelMultipleChoiceField(
        CalendarRule.objects.none(), label="Rules", widget=forms.CheckboxSelectMultiple
    )

    def offer(self) -> None:
        """Offer the rules of the calendar, those made by hand first."""
        field: Any = self.fields["rules"]
        field.queryset = self.row.rules.order_by("uid", "pk")
        field.choices = [(str(rule.pk), in_words(rule)) for rule in field.queryset[:MOST_OFFERED]]

    def clean_rules(self) -> list[CalendarRule]:
        """Return what was ticked."""
        return list(self.cleaned_data["rules"])


class ImportForm(OperatorForm):
    """Asks for an iCalendar file."""

    text = forms.FileField(
        label="iCalendar file",
        widget=FileInput(".ics,text/calendar"),
        help_text="Such as Outlook, Google and public holiday pages give (.ics), up to 2 MiB.",
    )

    def clean_text(self) -> str:
        """Return the text of the file."""
        file = self.cleaned_data["text"]
        if file.size > icalendars.LARGEST:
            raise forms.ValidationError("It is larger than 2 MiB.")
        try:
            return str(file.read().decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise forms.ValidationError("It is no text in UTF-8, as iCalendar files are.") from None


def in_words(rule: CalendarRule) -> str:
    """Return a rule with when it is silent, in one line."""
    return f"{rule}: {when(rule)}"


def when(rule: CalendarRule) -> str:
    """Say when a rule is silent."""
    if rule.kind == RuleKind.WEEKLY:
        return f"every week on {_of_days(rule.weekdays)}{_hours(rule.begins, rule.ends)}"
    if rule.first_at is None or rule.last_at is None:
        return "never"
    if rule.kind == RuleKind.PERIOD:
        return f"{rule.first_at:%d %b %Y %H:%M} to {rule.last_at:%d %b %Y %H:%M}"
    last = rule.last_at - timedelta(days=1)
    shown = "%d %b" if rule.every_year else "%d %b %Y"
    days = f"{rule.first_at:{shown}}" if last <= rule.first_at else f"{rule.first_at:{shown}} to {last:{shown}}"
    return f"{days}, every year" if rule.every_year else days


def _hours(begins: time | None, ends: time | None) -> str:
    if begins is None and ends is None:
        return ", all day"
    return f", {begins or time.min:%H:%M} to {f'{ends:%H:%M}' if ends else '24:00'}"


def _of_days(weekdays: list[int]) -> str:
    """Name some days of the week; those from Monday to Friday in one word."""
    known = sorted(set(weekdays))
    if known == list(range(7)):
        return "every day"
    if known == list(range(5)):
        return "Monday to Friday"
    return ", ".join(months.WEEKDAYS[number] for number in known)
