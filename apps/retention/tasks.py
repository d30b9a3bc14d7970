"""What the clock wakes: letting old things go, for a while at a time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

import structlog
from celery import shared_task
from django.db import DatabaseError

from apps.configuration.models import Setting
from apps.core.actors import Actor
from apps.core.errors import DomainError
from apps.retention import services
from apps.retention.models import KINDS, Kind
from apps.retention.models.kinds import ENABLED, GROUP

log = structlog.get_logger(__name__)

#: A run begins no batch after so many seconds; the next goes on.
MOST_SECONDS: Final = 60.0
#: Rows in one transaction: few enough that it takes well under a second and holds nobody up.
BATCH: Final = 1000


@dataclass(slots=True)
class _Run:
    """One kind in one run."""

    kind: Kind
    seconds: float = 0.0
    is_done: bool = False
    problem: str = ""

    def step(self, actor: Actor, values: dict[str, Any], batch: int) -> None:
        """Do one piece of the work. What is refused, or cannot be had now, is told and left to the next run."""
        began = time.monotonic()
        try:
            if self.kind.stream is not None:
                services.drop_periods(self.kind, actor=actor, values=values)
                self.is_done = True
            else:
                self.is_done = not services.prune_batch(self.kind, actor=actor, values=values, limit=batch)
        except (DatabaseError, DomainError) as error:
            self.is_done, self.problem = True, str(error).strip()
            log.warning("pruning_failed", kind=self.kind.name, error=self.problem)
        self.seconds += time.monotonic() - began


@shared_task(name="retention.prune")
def prune(seconds: float | None = MOST_SECONDS, batch: int = BATCH) -> dict[str, int]:
    """Let go what is kept no longer, of each kind in turn, until nothing is left or time is over; return how much went.

    Safe to repeat, to run twice at once and to kill anywhere: each batch is a transaction of its own, and the rows
    themselves say what is left to do.
    """
    values = Setting.objects.in_force(GROUP)
    if not values[ENABLED]:
        return {}
    actor, runs = Actor.system("retention"), [_Run(kind) for kind in KINDS.values()]
    ends = None if seconds is None else time.monotonic() + seconds
    while (todo := [run for run in runs if not run.is_done]) and (ends is None or time.monotonic() < ends):
        for run in todo:
            run.step(actor, values, batch)
    return {run.kind.name: _end(run, actor) for run in runs}


def _end(run: _Run, actor: Actor) -> int:
    return services.end_run(run.kind, actor=actor, seconds=run.seconds, is_behind=not run.is_done, problem=run.problem)
