"""Reading iCalendar text (RFC 5545) into stretches of silence. What cannot be read is said, event by event.

Files come from strangers: they are read without their own definitions of time zones, and rules that come again are
worked out by dates only, up to bounds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from icalendar import Calendar, Component

from apps.triggers.rules import recurrences
from apps.triggers.rules.recurrences import Budget, TooMuch

MOST_EVENTS = 2_000
LARGEST = 2 * 1024 * 1024
"""Characters of a file."""
DEEPEST = 8
MOST_COMPONENTS, MOST_LINES = 3 * MOST_EVENTS, 50_000
LONGEST_LABEL, LONGEST_UID = 200, 300
AHEAD, BACK = timedelta(days=5 * 366), timedelta(days=366)
"""So far ahead events that come again are worked out, and so far back they are still of interest."""
_WEEKDAYS = {"MO": 0, "TU": 1, "WE": 2, "TH": 3, "FR": 4, "SA": 5, "SU": 6}


class BadCalendar(ValueError):
    """A text that is no iCalendar at all, or too much of one."""


class _Unreadable(ValueError):
    """One event that cannot be turned into a silence, and why."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """One stretch of silence in wall-clock time; its kind says which fields there are, as in a calendar's rule."""

    kind: str
    label: str
    uid: str
    weekdays: list[int] = field(default_factory=list)
    begins: time | None = None
    ends: time | None = None
    first_at: datetime | None = None
    last_at: datetime | None = None
    every_year: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file holds: the stretches that were read, and for each event that was not or in part, which and why."""

    stretches: list[Stretch]
    problems: list[tuple[str, str]]


def read(text: str, *, zone: ZoneInfo, today: date) -> Reading:
    """Return the silences of an iCalendar file by the clocks of ``zone``. Raises ``BadCalendar``.

    What comes every week or year without end becomes one stretch. What else comes again is worked out, from a year
    before ``today`` to five years after it.
    """
    events = _events(text)
    reader = _Reader(zone, today, _moved(events))
    for number, event in enumerate(events, start=1):
        label = str(event.get("SUMMARY", "")).strip()[:LONGEST_LABEL]
        name = label or str(event.get("UID", "")) or f"event {number}"
        try:
            if str(event.get("STATUS", "")).upper() != "CANCELLED":
                reader.take(event, name, label)
        except _Unreadable as unreadable:
            reader.problems.append((name, str(unreadable)))
        except TooMuch as too_much:
            raise BadCalendar(str(too_much)) from too_much
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            reader.problems.append((name, f"it cannot be read: {error}"))
    return Reading(reader.stretches, reader.problems)


def _events(text: str) -> list[Component]:
    if len(text) > LARGEST:
        raise BadCalendar(f"it has more than {LARGEST} characters.")
    if "\0" in text:
        raise BadCalendar("it holds a NUL character.")
    try:
        # Without an end of line the library would take the text for the path of a file, and read that.
        events = Calendar.from_ical("".join(_without_zones(text.splitlines(keepends=True))) + "\r\n").walk("VEVENT")
    except (ValueError, IndexError, KeyError) as error:
        raise BadCalendar(f"it is no iCalendar: {str(error)[:LONGEST_LABEL]}") from error
    if len(events) > MOST_EVENTS:
        raise BadCalendar(f"it has {len(events)} events; at most {MOST_EVENTS} are taken.")
    return list(events)


def _without_zones(lines: list[str]) -> Iterator[str]:
    """Yield the lines outside definitions of time zones, whose rules could be anything: zones are known by name here.

    Raises ``BadCalendar`` for more than is worth reading.
    """
    if len(lines) > MOST_LINES:
        raise BadCalendar(f"it has more than {MOST_LINES} lines.")
    depth, count, hidden_at = 0, 0, 0
    for line in lines:
        told = line.strip().upper()
        if told.startswith("BEGIN:"):
            depth, count = depth + 1, count + 1
            _refuse_too_many(depth, count)
            hidden_at = hidden_at or (depth if told == "BEGIN:VTIMEZONE" else 0)
        if not hidden_at:
            yield line
        if told.startswith("END:"):
            hidden_at = 0 if depth <= hidden_at else hidden_at
            depth = max(0, depth - 1)


def _refuse_too_many(depth: int, count: int) -> None:
    if depth > DEEPEST:
        raise BadCalendar(f"its components lie more than {DEEPEST} deep in one another.")
    if count > MOST_COMPONENTS:
        raise BadCalendar(f"it has more than {MOST_COMPONENTS} components; at most {MOST_EVENTS} events are taken.")


def _moved(events: Iterable[Any]) -> dict[str, list[date]]:
    """Return by event which of its days and times have an event of their own in their place."""
    moved: defaultdict[str, list[date]] = defaultdict(list)
    for event in events:
        if "RECURRENCE-ID" in event:
            with suppress(ValueError, TypeError, KeyError, AttributeError):  # It is told where the event is read.
                time_of_other = event.decoded("RECURRENCE-ID")
                moved[str(event.get("UID", ""))] += [time_of_other] if isinstance(time_of_other, date) else []
    return dict(moved)


class _Reader:
    """Turns events into stretches, one after the other, within what may be worked out for one file."""

    def __init__(self, zone: ZoneInfo, today: date, moved: dict[str, list[date]]) -> None:
        self.zone, self.moved = zone, moved
        midnight = datetime.combine(today, time.min)
        self.since, self.until = midnight - BACK, midnight + AHEAD
        self.budget = Budget()
        self.stretches: list[Stretch] = []
        self.problems: list[tuple[str, str]] = []

    def take(self, event: Any, name: str, label: str) -> None:
        """Turn one event into stretches. Raises ``_Unreadable``, and what ``icalendar`` and ``dateutil`` raise."""
        start, once = self._once(event, label)
        if "RECURRENCE-ID" in event and not isinstance(event.decoded("RECURRENCE-ID"), date):
            raise _Unreadable("it changes several times of another event.")
        if "RECURRENCE-ID" in event and "RANGE" in event["RECURRENCE-ID"].params:
            raise _Unreadable("it changes another event from one time on.")
        if "RRULE" not in event and "RDATE" not in event:
            self.stretches.append(once)
            return
        if "RECURRENCE-ID" in event:
            raise _Unreadable("it changes one time of another event and comes again itself.")
        exceptions = [*_moments(event.get("EXDATE")), *self.moved.get(str(event.get("UID", "")), ())]
        endless = None if exceptions or "RDATE" in event else _endless(event.get("RRULE"), once, start, self.zone)
        if endless is not None:
            self.stretches.append(endless)
        else:
            self._work_out(event, name, once, start, exceptions)

    def _once(self, event: Any, label: str) -> tuple[date, Stretch]:
        """Return when an event begins, as it says itself, and its first time as a stretch."""
        if "DTSTART" not in event:
            raise _Unreadable("it has no beginning.")
        if event["DTSTART"].params.get("TZID") and getattr(event.decoded("DTSTART"), "tzinfo", None) is None:
            raise _Unreadable(f"its time zone {event['DTSTART'].params['TZID']} is not known.")
        start = event.decoded("DTSTART")
        first, last, is_whole_days = _bounds(start, _end(event, start), self.zone)
        if last <= first:
            raise _Unreadable("it ends before it begins.")
        uid = str(event.get("UID", ""))[:LONGEST_UID]
        return start, Stretch("dates" if is_whole_days else "period", label, uid, first_at=first, last_at=last)

    def _work_out(self, event: Any, name: str, once: Stretch, start: date, exceptions: list[date]) -> None:
        assert once.first_at is not None
        assert once.last_at is not None
        length = once.last_at - once.first_at
        dates = recurrences.dates_of(
            event.get("RRULE"),
            start,
            also=_moments(event.get("RDATE")),
            not_at=exceptions,
            since=self.since - length,
            until=self.until,
            budget=self.budget,
        )
        for begins in dates:
            first = _local(begins.replace(tzinfo=getattr(start, "tzinfo", None)), self.zone)
            self.stretches.append(replace(once, first_at=first, last_at=first + length))
        if recurrences.is_endless(event.get("RRULE")):
            told = f"it has no end, and is taken over up to {self.until:%Y-%m-%d}: import it again before."
            self.problems.append((name, told))


def _moments(values: Any) -> list[date]:
    """Return the days and moments of EXDATE or RDATE, which may be there several times, each with several."""
    lists = values if isinstance(values, list) else [values] if values is not None else []
    moments = [one.dt for several in lists for one in several.dts]
    if any(not isinstance(one, date) for one in moments):
        raise _Unreadable("it names periods, which a calendar here cannot have.")
    return moments


def _end(event: Any, start: date) -> date:
    if "DTEND" in event:
        end: date = event.decoded("DTEND")
        return end
    if "DURATION" in event:
        later: date = start + event.decoded("DURATION")
        return later
    return start if isinstance(start, datetime) else start + timedelta(days=1)


def _bounds(start: date, end: date, zone: ZoneInfo) -> tuple[datetime, datetime, bool]:
    """Return where an event begins and ends in wall-clock time, and whether it is of whole days."""
    if isinstance(start, datetime) != isinstance(end, datetime):
        raise _Unreadable("it begins with a day and ends with a time, or the other way round.")
    if isinstance(start, datetime) and isinstance(end, datetime):
        return _local(start, zone), _local(end, zone), False
    return datetime.combine(start, time.min), datetime.combine(end, time.min), True


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return a moment as the clocks of a zone show it; a floating one is meant so already."""
    return moment.astimezone(zone).replace(tzinfo=None) if moment.tzinfo is not None else moment


def _endless(rule: Any, once: Stretch, start: date, zone: ZoneInfo) -> Stretch | None:
    """Return the one stretch that says what comes every week or year for ever; ``None`` where it takes more."""
    other = set(rule) - {"FREQ", "BYDAY", "INTERVAL", "WKST", "BYMONTH", "BYMONTHDAY"}
    its_zone = getattr(start, "tzinfo", None)
    if other or (rule.get("INTERVAL") or [1])[0] != 1 or (its_zone is not None and str(its_zone) != zone.key):
        return None
    assert once.first_at is not None
    assert once.last_at is not None
    frequency = str((rule.get("FREQ") or [""])[0]).upper()
    if frequency in ("DAILY", "WEEKLY") and not {"BYMONTH", "BYMONTHDAY"} & set(rule):
        usual = list(_WEEKDAYS.values()) if frequency == "DAILY" else [once.first_at.weekday()]
        return _weekly(rule, once, usual, once.first_at, once.last_at)
    if frequency == "YEARLY" and once.kind == "dates" and _means_its_own_day(rule, once.first_at):
        return replace(once, every_year=True)
    return None


def _means_its_own_day(rule: Any, first: datetime) -> bool:
    months, days = rule.get("BYMONTH") or [first.month], rule.get("BYMONTHDAY") or [first.day]
    return "BYDAY" not in rule and list(map(int, months)) == [first.month] and list(map(int, days)) == [first.day]


def _weekly(rule: Any, once: Stretch, usual: list[int], first: datetime, last: datetime) -> Stretch | None:
    named = [str(day).upper() for day in rule.get("BYDAY") or []]
    weekdays = sorted(_WEEKDAYS[day] for day in named) or usual
    if once.kind == "dates":
        length = min((last - first).days, 7)
        days = sorted({(day + offset) % 7 for day in weekdays for offset in range(length)})
        return replace(once, kind="weekly", weekdays=days, first_at=None, last_at=None)
    if last - first > timedelta(days=1):
        return None
    timed = replace(once, begins=first.time(), ends=last.time())
    return replace(timed, kind="weekly", weekdays=weekdays, first_at=None, last_at=None)
