"""Silences: the stretches of a calendar in which nothing fires."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo


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


@dataclass(frozen=True, slots=True)
class Days:
    """Whole days from ``first`` up to, not including, ``last``; every year where that is said."""

    label: str
    first: date
    last: date
    every_year: bool = False

    def covers(self, local: datetime) -> bool:
        """Say whether a wall-clock time is within it."""
        day = local.date()
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


Silence = Weekly | Days | Period


def silence_at(silences: Iterable[Silence], moment: datetime, zone: ZoneInfo) -> Silence | None:
    """Return the first stretch of silence that covers a moment, by the clocks of ``zone``, or ``None``."""
    local = moment.astimezone(zone)
    return next((silence for silence in silences if silence.covers(local)), None)


def silent_days(silences: Iterable[Silence], first: date, days: int) -> dict[date, list[str]]:
    """Return, for a page that shows days, the labels of what touches each of ``days`` days, half hour by half hour."""
    known = list(silences)
    found: dict[date, list[str]] = {}
    for offset in range(days):
        day = first + timedelta(days=offset)
        moments = [datetime.combine(day, time.min) + timedelta(minutes=30 * half) for half in range(48)]
        labels = [silence.label for silence in known if any(silence.covers(at) for at in moments)]
        if labels:
            found[day] = labels
    return found
