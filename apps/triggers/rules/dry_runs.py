"""What a queue trigger would have done: its demand played over items as they came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.triggers.rules.demand import Level, Step, Wishes, demand

#: How long an item takes where none was ever measured.
SECONDS_PER_ITEM = 60.0


@dataclass(slots=True)
class _Consumer:
    """A job of the dry run: when its present item is done, and how many more it takes."""

    free_at: datetime
    left: int


def dry_run(
    arrivals: Sequence[datetime],
    wishes: Wishes,
    *,
    start: datetime,
    end: datetime,
    seconds_per_item: float | None = None,
) -> list[Step]:
    """Return when a trigger would have started jobs between two moments, and with which numbers.

    ``arrivals`` are the moments at which items became available. Each job takes one item after the other, up to
    ``items_per_job``, each for as long as items are known to take.
    """
    pace = timedelta(seconds=seconds_per_item or SECONDS_PER_ITEM)
    line, consumers, steps = sorted(arrivals), list[_Consumer](), list[Step]()
    waiting: list[datetime] = []
    cool_until, at = start, start
    while at <= end:
        arrived = _arrived(line, at)
        waiting, line = waiting + line[:arrived], line[arrived:]
        consumers = _work(consumers, waiting, at, pace)
        level = _level(waiting, consumers, at, seconds_per_item)
        decided = demand(level, wishes)
        if decided.start and at >= cool_until:
            steps.append(Step(at, level, decided))
            consumers += [_Consumer(at, wishes.items_per_job) for _ in range(decided.start)]
            cool_until = at + timedelta(seconds=wishes.cool_down)
        at += timedelta(seconds=wishes.polling_interval)
    return steps


def _arrived(line: Sequence[datetime], at: datetime) -> int:
    return next((index for index, moment in enumerate(line) if moment > at), len(line))


def _work(consumers: list[_Consumer], waiting: list[datetime], at: datetime, pace: timedelta) -> list[_Consumer]:
    """Let consumers that are free take items; returns those that go on. Takes from ``waiting``."""
    for consumer in consumers:
        while consumer.free_at <= at and consumer.left and waiting:
            begins = max(consumer.free_at, waiting.pop(0))
            consumer.free_at, consumer.left = begins + pace, consumer.left - 1
    return [consumer for consumer in consumers if consumer.free_at > at]


def _level(waiting: Sequence[datetime], consumers: Sequence[_Consumer], at: datetime, pace: float | None) -> Level:
    oldest = (at - waiting[0]).total_seconds() if waiting else None
    return Level(
        waiting=len(waiting),
        in_progress=len(consumers),
        live=len(consumers),
        oldest=oldest,
        seconds_per_item=pace,
    )
