"""A month of a calendar as a page shows it: which days and hours are silent, and why."""

from __future__ import annotations

from calendar import Calendar as Weeks
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.utils import timezone

from apps.triggers.models import Calendar
from apps.triggers.rules import schedules
from apps.triggers.rules.silences import Hours, Silence, silent_hours

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
EARLIEST, LATEST = 1970, 2200


@dataclass(frozen=True, slots=True)
class Day:
    """One day: what it is called, when it is silent, and where it stands."""

    date: date
    is_of_month: bool
    is_today: bool
    hours: Sequence[Hours]

    @property
    def is_silent(self) -> bool:
        """Whether all of it is."""
        return any(one.ends is None and one.begins.hour == one.begins.minute == 0 for one in self.hours)

    @property
    def tone(self) -> str:
        """How it is marked."""
        return "all" if self.is_silent else "part" if self.hours else "none"

    @property
    def labels(self) -> list[str]:
        """What it is silent for: the reasons, and the hours where it is not all day."""
        return list(dict.fromkeys(_told(one) for one in self.hours))

    @property
    def words(self) -> str:
        """The same for whoever hears the page."""
        told = {"all": "silent all day", "part": "silent in parts", "none": "not silent"}[self.tone]
        return f"{self.date:%A %d %B}: {told}{' (today)' if self.is_today else ''}"


@dataclass(frozen=True, slots=True)
class Month:
    """The weeks of a month, and its neighbours as an address takes them."""

    first: date
    weeks: Sequence[Sequence[Day]]
    previous: str
    following: str
    this: str

    @property
    def silent(self) -> list[Day]:
        """The days on which there is some silence."""
        return [day for week in self.weeks for day in week if day.is_of_month and day.hours]


def month_of(calendar: Calendar, asked: str, *, now: datetime | None = None) -> Month:
    """Return a month (``2026-11``; anything else is the present one) by the clocks of a calendar."""
    zone = schedules.zone_of(calendar.time_zone)
    today = (now or timezone.now()).astimezone(zone).date()
    first = _first_of(asked) or today.replace(day=1)
    silences = [rule.silence() for rule in calendar.rules.order_by("pk")]
    weeks = Weeks().monthdatescalendar(first.year, first.month)
    return Month(
        first,
        [[_day(day, first, today, silences) for day in week] for week in weeks],
        previous=f"{first - timedelta(days=1):%Y-%m}",
        following=f"{first + timedelta(days=31):%Y-%m}",
        this=f"{today:%Y-%m}",
    )


def context_of(calendar: Calendar, asked: str) -> dict[str, Any]:
    """Return what the template of a month is given."""
    return {"month": month_of(calendar, asked), "weekdays": WEEKDAYS, "zone": calendar.time_zone}


def _day(day: date, first: date, today: date, silences: Sequence[Silence]) -> Day:
    return Day(day, day.month == first.month, day == today, silent_hours(silences, day))


def _first_of(asked: str) -> date | None:
    try:
        first = datetime.strptime(asked, "%Y-%m").date()  # noqa: DTZ007 - a month has no zone
    except ValueError:
        return None
    return first if EARLIEST <= first.year <= LATEST else None


def _told(hours: Hours) -> str:
    ends = f"{hours.ends:%H:%M}" if hours.ends is not None else "24:00"
    span = f"{hours.begins:%H:%M}–{ends}"
    return hours.label if span == "00:00–24:00" else f"{span} {hours.label}"
