"""What every kind of trigger can be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from apps.core.errors import Problem
from apps.triggers.models import Trigger


@dataclass(frozen=True, slots=True)
class Wish:
    """One due time and what its kind wants of it: so many jobs, or (none) to pass it over for a reason.

    With a ``batch_size`` each job owns up to so many of the items that wait in the trigger's queue; there are fewer
    jobs where fewer items wait.
    """

    due_at: datetime
    jobs: int = 1
    code: str = ""
    reason: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int = 0


@dataclass(frozen=True, slots=True)
class Decided:
    """What a kind wants now, when it shall be asked again (``None``: never), and what it remembers until then."""

    wishes: Sequence[Wish] = ()
    next_at: datetime | None = None
    memory: Mapping[str, Any] = field(default_factory=dict)


class Kind(Protocol):
    """One kind of trigger. It reads and decides; what comes of it is written by the engine."""

    counts_its_jobs: bool
    """Whether what goes on of a trigger is part of its decision, so that the rules of overlap are not asked."""

    is_quiet: bool
    """Whether passing over a time for the same reason again leaves no further row: it looks every few seconds."""

    def problems(self, trigger: Trigger, *, now: datetime) -> list[Problem]:
        """Return what is wrong with a trigger's configuration, with the names of its fields."""

    def first_due(self, trigger: Trigger, *, now: datetime) -> datetime | None:
        """Return the first time after now at which a sound trigger is due, or ``None``."""

    def facts_of(self, triggers: Sequence[Trigger], *, now: datetime) -> Mapping[UUID, Any]:
        """Return what ``decide`` needs to know of each trigger, read for all of them at once."""

    def batch_size(self, trigger: Trigger) -> int:
        """Return how many waiting items a job that is made by hand owns; 0 of kinds that hand out none."""

    def decide(self, trigger: Trigger, facts: Any, *, now: datetime) -> Decided:
        """Decide about the due times up to now. Raises ``ValueError`` where the configuration means nothing."""
