"""Schedules: from what people write to moments at which something is due.

A schedule is a cron expression in a time zone, or an interval. Where clocks are put forward, a time of day that does
not exist falls on the first moment after the gap; where they are put back, a time of day comes once, and what is due
every hour comes in both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from typing import Any, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
LEAST_SECONDS = 5
"""Between two due times."""
MOST_SECONDS = 366 * 24 * 3600
SAMPLE = 60
"""So many gaps between due times are looked at to see whether they come too often."""


class BadSchedule(ValueError):
    """A schedule that means nothing. ``field`` is the part of the configuration it lies in."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Schedule(Protocol):
    """Moments, one after the other, without end or not."""

    @property
    def in_words(self) -> str:
        """What it means, for people."""

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yield the due times later than a moment, in order, as UTC."""

    def before(self, moment: datetime) -> Iterator[datetime]:
        """Yield the due times up to and including a moment, latest first, as UTC."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression of five or six fields (the first of six are seconds), in a time zone."""

    expression: str
    zone: ZoneInfo

    @property
    def in_words(self) -> str:
        return str(CronSim(self.expression, datetime(2026, 1, 1, tzinfo=self.zone)).explain())

    def after(self, moment: datetime) -> Iterator[datetime]:
        for due in CronSim(self.expression, moment.astimezone(self.zone)):
            yield due.astimezone(UTC)

    def before(self, moment: datetime) -> Iterator[datetime]:
        # Reverse iteration leaves out its own start, which counts here.
        start = (moment + timedelta(seconds=1)).astimezone(self.zone)
        for due in CronSim(self.expression, start, reverse=True):
            if (at := due.astimezone(UTC)) <= moment:
                yield at


@dataclass(frozen=True, slots=True)
class Interval:
    """Every so many seconds, counted from an anchor. Clocks that are put forward or back do not matter to it."""

    seconds: int
    anchor: datetime

    @property
    def in_words(self) -> str:
        return f"Every {_duration(self.seconds)}"

    def after(self, moment: datetime) -> Iterator[datetime]:
        number = max(0, self._passed(moment) + 1)
        while True:
            yield self.anchor + timedelta(seconds=self.seconds * number)
            number += 1

    def before(self, moment: datetime) -> Iterator[datetime]:
        for number in range(self._passed(moment), -1, -1):
            yield self.anchor + timedelta(seconds=self.seconds * number)

    def _passed(self, moment: datetime) -> int:
        """The number of the last due time that is not later than a moment; below zero before the anchor."""
        return (moment - self.anchor) // timedelta(seconds=self.seconds)


def parse(configuration: Mapping[str, Any], *, zone: str, anchor: datetime) -> Schedule:
    """Return the schedule that ``{"cron": text}`` or ``{"every": seconds}`` means.

    ``anchor`` is where intervals begin to count. Raises ``BadSchedule``, also where due times would follow one another
    too closely or never come.
    """
    schedule = read(configuration, zone=zone, anchor=anchor)
    if isinstance(schedule, Cron):
        _refuse_too_frequent(schedule, anchor)
    return schedule


def read(configuration: Mapping[str, Any], *, zone: str, anchor: datetime) -> Schedule:
    """Return a schedule as ``parse`` does, without another look at how often it is due: it was looked at before."""
    given = set(configuration)
    if given == {"cron"}:
        return _cron(configuration["cron"], zone_of(zone))
    if given == {"every"}:
        return Interval(_seconds(configuration["every"]), anchor.astimezone(UTC).replace(microsecond=0))
    raise BadSchedule("configuration", 'give either "cron" (an expression) or "every" (seconds).')


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name. Raises ``BadSchedule``."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadSchedule("time_zone", f"“{name}” is no time zone. Use an IANA name such as Europe/Berlin.") from error


def _cron(text: Any, zone: ZoneInfo) -> Cron:
    if not isinstance(text, str) or not text.strip():
        raise BadSchedule("configuration.cron", "write a cron expression, such as 0 9 * * mon-fri.")
    expression = ALIASES.get(text.strip().lower(), " ".join(text.split()))
    if expression.startswith("@"):
        raise BadSchedule("configuration.cron", f"“{text}” is not known. There are {', '.join(ALIASES)}.")
    try:
        CronSim(expression, datetime(2026, 1, 1, tzinfo=zone))
    except CronSimError as error:
        raise BadSchedule("configuration.cron", f"“{text}” is no cron expression: {error}.") from error
    return Cron(expression, zone)


def _refuse_too_frequent(schedule: Cron, start: datetime) -> None:
    times = list(islice(schedule.after(start), SAMPLE))
    if not times:
        raise BadSchedule("configuration.cron", "no such moment ever comes.")
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    if gaps and min(gaps) < LEAST_SECONDS:
        raise BadSchedule("configuration.cron", f"it is due more often than every {LEAST_SECONDS} seconds.")


def _seconds(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not LEAST_SECONDS <= value <= MOST_SECONDS:
        raise BadSchedule("configuration.every", f"give whole seconds from {LEAST_SECONDS} to {MOST_SECONDS}.")
    return value


def _duration(seconds: int) -> str:
    for unit, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds % unit == 0:
            count = seconds // unit
            return name if count == 1 else f"{count} {name}s"
    return f"{seconds} seconds"


@dataclass(frozen=True, slots=True)
class Between:
    """The due times of a schedule from a first moment up to a last one, each as far as it is given."""

    schedule: Schedule
    first: datetime | None = None
    last: datetime | None = None

    @property
    def in_words(self) -> str:
        return self.schedule.in_words

    def after(self, moment: datetime) -> Iterator[datetime]:
        # Exclusive, while the first moment itself may be due.
        start = moment if self.first is None else max(moment, self.first - timedelta(microseconds=1))
        return takewhile(lambda at: self.last is None or at <= self.last, self.schedule.after(start))

    def before(self, moment: datetime) -> Iterator[datetime]:
        end = moment if self.last is None else min(moment, self.last)
        return takewhile(lambda at: self.first is None or at >= self.first, self.schedule.before(end))
