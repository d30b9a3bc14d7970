"""Working out the dates of events that come again, within bounds: the rules are those of strangers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from itertools import chain
from typing import Any

from dateutil.rrule import rrulestr

MOST_OF_ONE = 1_000
"""Dates of one event."""
MOST_STEPS = 100_000
"""Dates of all events of a file that are looked at, those that have passed included."""
MOST_IN_VAIN = 1
"""Rules of a file that never come: each is looked for up to the year 9999."""
#: What a rule may say. Rules by the hour and less are no days off, and could be looked for without end.
_FREQUENCIES = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
_PARTS = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", "BYMONTH", "BYMONTHDAY", "BYSETPOS"})
#: What a rule by the day may not say beside: it would be looked for day by day.
_NOT_DAILY = frozenset({"BYMONTHDAY", "BYSETPOS"})


class TooMuch(ValueError):
    """A file whose rules take more to work out than any calendar of days off does."""


class Budget:
    """What is left to be spent on the rules of one file."""

    def __init__(self) -> None:
        self.steps, self.in_vain = MOST_STEPS, MOST_IN_VAIN

    def spend_step(self) -> None:
        """Note a date that was looked at. Raises ``TooMuch``."""
        self.steps -= 1
        if self.steps < 0:
            raise TooMuch(f"its events come more than {MOST_STEPS} times.")

    def spend_in_vain(self) -> None:
        """Note a rule that never comes. Raises ``TooMuch``."""
        self.in_vain -= 1
        if self.in_vain < 0:
            raise TooMuch("it has many events that never come.")


def dates_of(
    rule: Any,
    start: date,
    *,
    also: Sequence[date],
    not_at: Sequence[date],
    since: datetime,
    until: datetime,
    budget: Budget,
) -> list[datetime]:
    """Return the dates between two moments at which an event begins, on its own clock, in order.

    ``start`` is its first, as the event says it; further ones stand in ``also``, exceptions in ``not_at``. Raises
    ``ValueError`` for a rule that is not taken, and ``TooMuch``.
    """
    left_out, found = {_as_of(one, start) for one in not_at}, set()
    by_rule = _by_rule(rule, start, until, budget) if rule is not None else [_naive(start)]
    for at in chain((_as_of(one, start) for one in also), by_rule):
        if since <= at <= until and at not in left_out:
            found.add(at)
        if len(found) > MOST_OF_ONE:
            raise ValueError(f"it comes more than {MOST_OF_ONE} times")
    return sorted(found)


def is_endless(rule: Any) -> bool:
    """Say whether a rule goes on for ever."""
    return rule is not None and not {"COUNT", "UNTIL"} & set(rule)


def _naive(moment: date) -> datetime:
    """Return a day or moment on its own clock."""
    return moment.replace(tzinfo=None) if isinstance(moment, datetime) else datetime.combine(moment, time.min)


def _as_of(moment: date, start: date) -> datetime:
    """Return a day or moment on the clock of an event's start, as its rule counts."""
    its_zone = getattr(start, "tzinfo", None)
    if isinstance(moment, datetime) and moment.tzinfo is not None and its_zone is not None:
        return moment.astimezone(its_zone).replace(tzinfo=None)
    if not isinstance(moment, datetime) and isinstance(start, datetime):
        return datetime.combine(moment, start.time())
    return _naive(moment)


def _by_rule(rule: Any, start: date, until: datetime, budget: Budget) -> Iterator[datetime]:
    came = False
    for at in rrulestr(_text_of(rule, start), dtstart=_naive(start)):
        came = True
        budget.spend_step()
        if at > until:
            return
        yield at
    if not came:
        budget.spend_in_vain()
        raise ValueError("its rule never comes")


def _text_of(rule: Any, start: date) -> str:
    frequency = str((rule.get("FREQ") or [""])[0]).upper()
    odd = set(rule) - _PARTS | (set(rule) & _NOT_DAILY if frequency == "DAILY" else set())
    if frequency not in _FREQUENCIES or odd:
        raise ValueError(f"its rule is not taken: {rule.to_ical().decode()[:200]}")
    parts = {name: value for name, value in rule.items() if name != "UNTIL"}
    text = ";".join(f"{name}={','.join(map(str, value))}" for name, value in parts.items())
    return text + "".join(f";UNTIL={_end_of(last, start):%Y%m%dT%H%M%S}" for last in rule.get("UNTIL", [])[:1])


def _end_of(last: date, start: date) -> datetime:
    """Return the end of a rule on the clock of its event; a day means all of it."""
    return _as_of(last, start) if isinstance(last, datetime) else datetime.combine(last, time.max)
