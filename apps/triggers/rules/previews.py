"""What a trigger is going to do, for people: in words, and as due times on two clocks with what is odd about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from apps.triggers.rules.schedules import Interval, Schedule
from apps.triggers.rules.silences import Silence, silence_at

#: Something that comes so rarely may have been meant otherwise.
RARELY = timedelta(days=366)
DAY = 24 * 3600


@dataclass(frozen=True, slots=True)
class PreviewTime:
    """One due time: the moment (UTC), as the trigger's and the viewer's clocks show it, and what is odd about it."""

    at: datetime
    local: datetime
    viewer_local: datetime
    note: str = ""
    """What clocks do about then, in whole sentences."""
    silent: str = ""
    """The label of what its calendar is silent for; empty where it fires."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a trigger is going to do. A trigger that is not due by the clock has no times."""

    words: str
    times: Sequence[PreviewTime] = ()
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Silent:
    """When a calendar is silent, by its own clocks."""

    name: str
    silences: Sequence[Silence]
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Plan:
    """Due times after ``start`` and the clocks they are shown on; ``is_anchored``: what intervals count from is fixed.

    ``schedule`` says what is due, ``times`` the same between a beginning and an end.
    """

    schedule: Schedule
    times: Schedule
    start: datetime
    zone: ZoneInfo
    viewer_zone: ZoneInfo
    is_anchored: bool = True
    calendar: Silent | None = field(default=None)


def of(plan: Plan, *, count: int = 20) -> Preview:
    """Return a schedule in words, its next ``count`` due times, and what whoever saves it should know."""
    times = list(_times(plan, count))
    return Preview(plan.schedule.in_words, times, list(_warnings(plan, times)))


def _times(plan: Plan, count: int) -> Iterator[PreviewTime]:
    previous = None
    for at in islice(plan.times.after(plan.start), count):
        note = _note(at, previous, plan)
        yield PreviewTime(at, at.astimezone(plan.zone), at.astimezone(plan.viewer_zone), note, _silent(at, plan))
        previous = at


def _silent(at: datetime, plan: Plan) -> str:
    if plan.calendar is None:
        return ""
    found = silence_at(plan.calendar.silences, at, plan.calendar.zone)
    return found.label if found is not None else ""


def _note(at: datetime, previous: datetime | None, plan: Plan) -> str:
    local = at.astimezone(plan.zone)
    if local.fold:
        return "Clocks go back: this is the second time this hour comes."
    if local.replace(fold=1).utcoffset() != local.utcoffset():
        return "Clocks go back: this is the first time this hour comes."
    if missing := _gap_before(at, plan.zone):
        begins, ends = f"{local - missing:%H:%M}", f"{local:%H:%M}"
        return f"Clocks go forward: no time from {begins} to {ends} exists that day, and what is due then comes now."
    zones = {zone.key: zone for zone in (plan.zone, plan.viewer_zone)}.values()
    return " ".join(filter(None, (_shift(at, previous, zone) for zone in zones)))


def _gap_before(at: datetime, zone: ZoneInfo) -> timedelta:
    """Return how far clocks are put forward at this very moment; nothing where they are not."""
    return max(timedelta(0), _offset(at, zone) - _offset(at - timedelta(seconds=1), zone))


def _shift(at: datetime, previous: datetime | None, zone: ZoneInfo) -> str:
    """Say how clocks of a zone have changed since the time before."""
    moved = _offset(at, zone) - _offset(previous, zone) if previous is not None else timedelta(0)
    if not moved:
        return ""
    way, minutes = "forward" if moved > timedelta(0) else "back", abs(moved) // timedelta(minutes=1)
    return f"Clocks of {zone.key} have been put {way} by {minutes} minutes since the time before."


def _offset(at: datetime, zone: ZoneInfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta(0)


def _warnings(plan: Plan, times: Sequence[PreviewTime]) -> Iterator[str]:
    if not times:
        yield "It is never due: no such time lies between its start and its end."
    elif times[0].at - plan.start > RARELY:
        yield f"Its next time is more than a year away: {times[0].local:%Y-%m-%d %H:%M}."
    if plan.calendar is not None and (silent := sum(1 for time in times if time.silent)):
        yield f"The calendar “{plan.calendar.name}” is silent at {silent} of these {len(times)} times."
    if isinstance(plan.schedule, Interval):
        yield from _warnings_of_interval(plan, plan.schedule.seconds)


def _warnings_of_interval(plan: Plan, seconds: int) -> Iterator[str]:
    if not plan.is_anchored:
        yield "It counts from the moment at which it is saved. Set a start to choose when."
    if seconds % DAY == 0 and _changes_clocks(plan.zone, plan.start):
        yield "An interval comes at another time of day once clocks change. To keep it, use a cron expression."


def _changes_clocks(zone: ZoneInfo, start: datetime) -> bool:
    return len({_offset(start + timedelta(days=30 * month), zone) for month in range(13)}) > 1
