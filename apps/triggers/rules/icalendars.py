"""Reading iCalendar text (RFC 5545) into stretches of silence. What cannot be read is said, event by event."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from icalendar import Calendar, Component

MOST_EVENTS = 2_000
LARGEST = 2 * 1024 * 1024
"""Characters of a file."""
LONGEST_LABEL, LONGEST_UID = 200, 300
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
    """What a file holds: the stretches that were read, and for each event that was not, which and why."""

    stretches: list[Stretch]
    problems: list[tuple[str, str]]


def read(text: str, *, zone: ZoneInfo) -> Reading:
    """Return the silences of an iCalendar file by the clocks of ``zone``. Raises ``BadCalendar``.

    Read are events of whole days and with times, those of every week without end, and whole days of every year.
    """
    stretches, problems = [], []
    for number, event in enumerate(_events(text), start=1):
        label = str(event.get("SUMMARY", "")).strip()[:LONGEST_LABEL]
        name = label or str(event.get("UID", "")) or f"event {number}"
        try:
            if str(event.get("STATUS", "")).upper() != "CANCELLED":
                stretches.append(_stretch(event, label, zone))
        except _Unreadable as unreadable:
            problems.append((name, str(unreadable)))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            problems.append((name, f"it cannot be read: {error}"))
    return Reading(stretches, problems)


def _events(text: str) -> Iterator[Component]:
    if len(text) > LARGEST:
        raise BadCalendar(f"it has more than {LARGEST} characters.")
    try:
        calendar = Calendar.from_ical(text)
    except (ValueError, IndexError, KeyError) as error:
        raise BadCalendar(f"it is no iCalendar: {error}") from error
    events = calendar.walk("VEVENT")
    if len(events) > MOST_EVENTS:
        raise BadCalendar(f"it has {len(events)} events; at most {MOST_EVENTS} are taken.")
    yield from events


def _stretch(event: Any, label: str, zone: ZoneInfo) -> Stretch:
    if "DTSTART" not in event:
        raise _Unreadable("it has no beginning.")
    if "RECURRENCE-ID" in event or "EXDATE" in event or "RDATE" in event:
        raise _Unreadable("it has exceptions, which a calendar here cannot have.")
    start = event.decoded("DTSTART")
    first, last, is_whole_days = _bounds(start, _end(event, start), zone)
    if last <= first:
        raise _Unreadable("it ends before it begins.")
    kind = "dates" if is_whole_days else "period"
    uid = str(event.get("UID", ""))[:LONGEST_UID]
    once = Stretch(kind, label, uid, first_at=first, last_at=last)
    rule = event.get("RRULE")
    return once if rule is None else _recurring(rule, once, first, last)


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


def _recurring(rule: Any, once: Stretch, first: datetime, last: datetime) -> Stretch:
    frequency = str((rule.get("FREQ") or [""])[0]).upper()
    other = set(rule) - {"FREQ", "BYDAY", "INTERVAL", "WKST", "BYMONTH", "BYMONTHDAY"}
    is_plain = not other and (rule.get("INTERVAL") or [1])[0] == 1
    if is_plain and frequency == "WEEKLY" and not {"BYMONTH", "BYMONTHDAY"} & set(rule):
        return _weekly(rule, once, first, last)
    if is_plain and frequency == "YEARLY" and once.kind == "dates" and _means_its_own_day(rule, first):
        return replace(once, every_year=True)
    raise _Unreadable(f"it comes by a rule that is not taken: {rule.to_ical().decode()}.")


def _means_its_own_day(rule: Any, first: datetime) -> bool:
    months, days = rule.get("BYMONTH") or [first.month], rule.get("BYMONTHDAY") or [first.day]
    return "BYDAY" not in rule and list(map(int, months)) == [first.month] and list(map(int, days)) == [first.day]


def _weekly(rule: Any, once: Stretch, first: datetime, last: datetime) -> Stretch:
    named = [str(day).upper() for day in rule.get("BYDAY") or []]
    weekdays = sorted(_WEEKDAYS[day] for day in named) or [first.weekday()]
    if once.kind == "dates":
        length = min((last - first).days, 7)
        days = sorted({(day + offset) % 7 for day in weekdays for offset in range(length)})
        return replace(once, kind="weekly", weekdays=days, first_at=None, last_at=None)
    if last - first > timedelta(days=1):
        raise _Unreadable("it comes every week and lasts longer than a day.")
    timed = replace(once, begins=first.time(), ends=last.time())
    return replace(timed, kind="weekly", weekdays=weekdays, first_at=None, last_at=None)
