"""What a queue trigger would have done: its demand played over items as they came."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from heapq import heappop, heappush

from apps.triggers.rules.demand import HAND_OUT, Level, Step, Wishes, demand

#: How long an item takes where none was ever measured.
SECONDS_PER_ITEM = 60.0


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
    ``items_per_job``, or works on those it was handed, each for as long as items are known to take.
    """
    play, steps = _Play(arrivals, wishes, seconds_per_item), list[Step]()
    cool_until, at = start, start
    while at <= end:
        play.go_on_until(at)
        level = play.level(at)
        decided = demand(level, wishes)
        if decided.start and at >= cool_until:
            steps.append(Step(at, level, decided))
            play.begin(decided.start, at)
            cool_until = at + timedelta(seconds=wishes.cool_down)
        at += timedelta(seconds=wishes.polling_interval)
    return steps


class _Play:
    """Items that come and wait, and jobs that work on them."""

    def __init__(self, arrivals: Sequence[datetime], wishes: Wishes, seconds_per_item: float | None) -> None:
        self.to_come = deque(sorted(arrivals))
        self.waiting = deque[datetime]()
        self.jobs: list[tuple[datetime, int]] = []
        """A heap: when each is done with what it has in hand, and how many items more it takes."""
        self.wishes, self.measured = wishes, seconds_per_item
        self.pace = timedelta(seconds=seconds_per_item or SECONDS_PER_ITEM)

    def go_on_until(self, at: datetime) -> None:
        """Let items come, and jobs that are free take them or end."""
        while self.to_come and self.to_come[0] <= at:
            self.waiting.append(self.to_come.popleft())
        while self.jobs and self.jobs[0][0] <= at:
            free_at, left = heappop(self.jobs)
            if left and self.waiting:
                heappush(self.jobs, (max(free_at, self.waiting.popleft()) + self.pace, left - 1))

    def begin(self, count: int, at: datetime) -> None:
        """Start jobs; those that are handed items have them from their start."""
        for _ in range(count):
            if self.wishes.mode == HAND_OUT:
                batch = [self.waiting.popleft() for _ in range(min(self.wishes.batch_size, len(self.waiting)))]
                heappush(self.jobs, (at + self.pace * len(batch), 0))
            else:
                heappush(self.jobs, (at, self.wishes.items_per_job))

    def level(self, at: datetime) -> Level:
        """Return how things are."""
        oldest = (at - self.waiting[0]).total_seconds() if self.waiting else None
        return Level(
            waiting=len(self.waiting),
            in_progress=len(self.jobs),
            live=len(self.jobs),
            oldest=oldest,
            seconds_per_item=self.measured,
        )
