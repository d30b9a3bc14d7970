"""Silences: the stretches of a calendar in which nothing fires."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

Part = tuple[time, time | None]
"""From when until when on one day; ``None`` is its end."""


@dataclass(frozen=True, slots=True)
class Weekly:
    """The same hours of some weekdays (0 is Monday); hours that end before they begin reach into the next day."""

    label: str
    weekdays: frozenset[int]
    begins: time | None = None
    ends: time | None = None

    def covers(self, local: datetime) -> bool:
        """Say whether a wall-clock time is within it."""
        begins, ends = self.begins or time.min, self.ends
        at = local.time()
        if ends is None or ends > begins:
            return local.weekday() in self.weekdays and begins <= at and (ends is None or at < ends)
        yesterday = (local.weekday() - 1) % 7
        return (local.weekday() in self.weekdays and at >= begins) or (yesterday in self.weekdays and at < ends)

    def hours_of(self, day: date) -> list[Part]:
        """Return the parts of a day that are within it."""
        begins, ends = self.begins or time.min, self.ends
        today, yesterday = day.weekday() in self.weekdays, (day.weekday() - 1) % 7 in self.weekdays
        if ends is None or ends > begins:
            return [(begins, ends)] if today else []
        morning: list[Part] = [(time.min, ends)] if yesterday and ends > time.min else []
        return morning + ([(begins, None)] if today else [])


@dataclass(frozen=True, slots=True)
class Days:
    """Whole days from ``first`` up to, not including, ``last``; every year where that is said."""

    label: str
    first: date
    last: date
    every_year: bool = False

    def covers(self, local: datetime) -> bool:
        """Say whether a wall-clock time is within it."""
        return self._holds(local.date())

    def hours_of(self, day: date) -> list[Part]:
        """Return the parts of a day that are within it: all of it, or none."""
        return [(time.min, None)] if self._holds(day) else []

    def _holds(self, day: date) -> bool:
        if not self.every_year:
            return self.first <= day < self.last
        length = self.last - self.first
        return any(begin <= day < begin + length for year in (day.year - 1, day.year) for begin in self._in(year))

    def _in(self, year: int) -> list[date]:
        """When it begins in a year; the 29th of February only where there is one."""
        try:
            return [self.first.replace(year=year)]
        except ValueError:
            return []


@dataclass(frozen=True, slots=True)
class Period:
    """From one wall-clock time up to another."""

    label: str
    first: datetime
    last: datetime

    def covers(self, local: datetime) -> bool:
        """Say whether a wall-clock time is within it."""
        return self.first <= local.replace(tzinfo=None) < self.last

    def hours_of(self, day: date) -> list[Part]:
        """Return the parts of a day that are within it."""
        morning = datetime.combine(day, time.min)
        evening = morning + timedelta(days=1)
        first, last = max(self.first, morning), min(self.last, evening)
        return [(first.time(), None if last == evening else last.time())] if first < last else []


Silence = Weekly | Days | Period


def silence_at(silences: Iterable[Silence], moment: datetime, zone: ZoneInfo) -> Silence | None:
    """Return the first stretch of silence that covers a moment, by the clocks of ``zone``, or ``None``."""
    local = moment.astimezone(zone)
    return next((silence for silence in silences if silence.covers(local)), None)


def touching(silences: Iterable[Silence], first: datetime, last: datetime, zone: ZoneInfo) -> list[Silence]:
    """Return the silences that touch any day from one moment to another: a calendar may have thousands of others."""
    begins, ends = first.astimezone(zone).date(), last.astimezone(zone).date()
    days = [begins + timedelta(days=offset) for offset in range((ends - begins).days + 1)]
    return [silence for silence in silences if any(silence.hours_of(day) for day in days)]


@dataclass(frozen=True, slots=True)
class Hours:
    """A part of one day in which a calendar is silent; ``ends`` is ``None`` where that is the end of the day."""

    label: str
    begins: time
    ends: time | None


def silent_hours(silences: Iterable[Silence], day: date) -> list[Hours]:
    """Return when a day is silent by the clocks of the calendar, the earliest first; stretches may overlap."""
    found = [Hours(silence.label, begins, ends) for silence in silences for begins, ends in silence.hours_of(day)]
    return sorted(found, key=lambda one: (one.begins, one.ends or time.max, one.label))


def silent_days(silences: Iterable[Silence], first: date, days: int) -> dict[date, list[str]]:
    """Return, for a page that shows days, the labels of what touches each of ``days`` days; others are left out."""
    known = list(silences)
    shown = [first + timedelta(days=offset) for offset in range(days)]
    touching = {day: [silence.label for silence in known if silence.hours_of(day)] for day in shown}
    return {day: labels for day, labels in touching.items() if labels}
