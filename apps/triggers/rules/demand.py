"""How many consumers a queue wants. Level-triggered: it looks at how things are, not at what has happened since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from math import ceil
from typing import Any

CONSUMERS, HAND_OUT = "consumers", "hand_out"

#: Fewer seconds than this until a deadline count as so many: nothing is done in no time.
LEAST_TIME_LEFT = 1.0


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a queue trigger was told to want. Times are in seconds.

    ``mode`` says whether its jobs take items by themselves, or own those that they are made for, up to ``batch_size``.
    """

    mode: str = CONSUMERS
    least: int = 0
    most: int = 1
    items_per_job: int = 1
    start_at: int = 1
    """Fewer waiting items start nothing, unless one of them is too old."""
    finish_within: int | None = None
    oldest_at_most: int | None = None
    cool_down: int = 0
    polling_interval: int = 5
    jobs_per_hour: int | None = None
    batch_size: int = 1


#: Lowest and highest of each number.
BOUNDS: Mapping[str, tuple[int, int]] = {
    "least": (0, 1_000),
    "most": (1, 1_000),
    "items_per_job": (1, 1_000),
    "start_at": (1, 1_000_000),
    "finish_within": (1, 366 * 86_400),
    "oldest_at_most": (1, 366 * 86_400),
    "cool_down": (0, 86_400),
    "polling_interval": (5, 86_400),
    "jobs_per_hour": (1, 100_000),
    "batch_size": (1, 100),
}
#: What each mode can be told.
NAMES: Mapping[str, frozenset[str]] = {
    CONSUMERS: frozenset(BOUNDS) - {"batch_size"},
    HAND_OUT: frozenset({"batch_size", "most", "polling_interval", "jobs_per_hour"}),
}
_MAY_BE_LEFT_OPEN = frozenset({"finish_within", "oldest_at_most", "jobs_per_hour"})


class BadWishes(ValueError):
    """Numbers that mean nothing; ``problems`` names each by field with the reason."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in problems))
        self.problems = problems


def read(configuration: Mapping[str, Any]) -> Wishes:
    """Return what a configuration says; what it leaves out is as ``Wishes`` has it. Raises ``BadWishes``."""
    mode = configuration.get("mode", CONSUMERS)
    if not isinstance(mode, str) or mode not in NAMES:
        raise BadWishes([("mode", f"there are {CONSUMERS} and {HAND_OUT}.")])
    known = NAMES[mode]
    problems = [(name, _why_not(name, mode)) for name in configuration if name not in known | {"mode"}]
    for name in sorted(known & configuration.keys()):
        lowest, highest = BOUNDS[name]
        if not _fits(name, configuration[name], lowest, highest):
            problems.append((name, f"give a whole number from {lowest} to {highest}."))
    if problems:
        raise BadWishes(problems)
    wishes = Wishes(**configuration)
    if wishes.least > wishes.most:
        raise BadWishes([("least", "must not be more than most.")])
    return wishes


def _why_not(name: str, mode: str) -> str:
    return f"means nothing in the mode {mode}." if name in BOUNDS else "is not known."


def in_words(wishes: Wishes) -> str:
    """Return what a queue trigger is told to do, for people."""
    if wishes.mode == HAND_OUT:
        batch = "one waiting item" if wishes.batch_size == 1 else f"up to {wishes.batch_size} waiting items"
        return (
            f"Looks every {wishes.polling_interval} seconds and hands {batch} to each job it makes, "
            f"with up to {wishes.most} jobs going"
        )
    each = "item" if wishes.items_per_job == 1 else f"{wishes.items_per_job} items"
    told = [
        f"Looks every {wishes.polling_interval} seconds and keeps {wishes.least} to {wishes.most} jobs going, "
        f"one for each {each}"
    ]
    if wishes.start_at > 1:
        told.append(f"starts none for fewer than {wishes.start_at} waiting items")
    if wishes.oldest_at_most is not None:
        told.append(f"as many as there is work for once an item has waited for {wishes.oldest_at_most} seconds")
    if wishes.finish_within is not None:
        told.append(f"no more than it takes to be done within {wishes.finish_within} seconds")
    return "; ".join(told)


def _fits(name: str, value: Any, lowest: int, highest: int) -> bool:
    if value is None:
        return name in _MAY_BE_LEFT_OPEN
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest


@dataclass(frozen=True, slots=True)
class Level:
    """How things are with a queue and with the jobs that work on it for one trigger. Times are in seconds."""

    waiting: int
    in_progress: int
    """Items in the hands of the trigger's own jobs."""
    live: int
    """The trigger's jobs that have not ended, pending ones included."""
    oldest: float | None = None
    """For how long the oldest waiting item could have been worked on."""
    time_left: float | None = None
    """Until the earliest deadline of a waiting item."""
    seconds_per_item: float | None = None
    """As measured of those that were last finished; unknown at first."""


@dataclass(frozen=True, slots=True)
class Demand:
    """How many consumers are wanted, how many of them are to start now, and how that came about, in words."""

    wanted: int
    start: int
    because: str


def demand(level: Level, wishes: Wishes) -> Demand:
    """Decide how many jobs to start now. Where they are handed items, as many as what waits makes batches.

    As many jobs as it takes at ``items_per_job`` each; where there is a time to finish within or a deadline, and it is
    known how long an item takes, only as many as that needs; all of them where the oldest item is too old.
    """
    if wishes.mode == HAND_OUT:
        return _batches(level, wishes)
    work = level.waiting + level.in_progress
    by_backlog = ceil(work / wishes.items_per_job)
    is_too_old = wishes.oldest_at_most is not None and (level.oldest or 0) > wishes.oldest_at_most
    in_time = _in_time(level, wishes, work)
    if level.waiting < wishes.start_at and not is_too_old:
        wanted = wishes.least
        because = f"{level.waiting} waiting, and it starts at {wishes.start_at}"
    elif is_too_old:
        wanted, because = by_backlog, f"the oldest waits for {level.oldest:.0f} s, over {wishes.oldest_at_most} s"
    elif in_time is not None:
        wanted, because = min(in_time[0], by_backlog), in_time[1]
    else:
        wanted, because = by_backlog, f"{work} items at {wishes.items_per_job} per job"
    bounded = min(max(wanted, wishes.least), wishes.most)
    told = f"{because}: {wanted} wanted, {bounded} between {wishes.least} and {wishes.most}, {level.live} there."
    return Demand(bounded, max(0, bounded - level.live), told)


def _batches(level: Level, wishes: Wishes) -> Demand:
    batches = ceil(level.waiting / wishes.batch_size)
    wanted = max(min(level.live + batches, wishes.most), 0)
    told = (
        f"{level.waiting} waiting items at {wishes.batch_size} for each job: {batches} more wanted, "
        f"at most {wishes.most}, {level.live} there."
    )
    return Demand(wanted, max(0, wanted - level.live), told)


def _in_time(level: Level, wishes: Wishes, work: int) -> tuple[int, str] | None:
    """How many consumers finish in time, and how that was reckoned; ``None`` where time or pace is not known."""
    bounds = [float(bound) for bound in (wishes.finish_within, level.time_left) if bound is not None]
    if not bounds or not level.seconds_per_item:
        return None
    within = max(min(bounds), LEAST_TIME_LEFT)
    needed = max(1, ceil(work * level.seconds_per_item / within))
    return needed, f"{work} items of {level.seconds_per_item:.1f} s within {within:.0f} s"


def facts(level: Level, wishes: Wishes, decided: Demand) -> dict[str, Any]:
    """Return the numbers of a decision for whoever asks how it came about."""
    return {"level": asdict(level), "configuration": asdict(wishes), **asdict(decided)}


@dataclass(frozen=True, slots=True)
class Step:
    """One moment of a dry run at which jobs would have been started."""

    at: datetime
    level: Level
    demand: Demand
