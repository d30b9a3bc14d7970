"""Time: due by a cron expression or an interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from apps.core.errors import Problem
from apps.triggers.models import Trigger
from apps.triggers.rules import misfires, schedules
from apps.triggers.rules.misfires import Policy
from apps.triggers.rules.schedules import BadSchedule
from apps.triggers.services.kinds.interface import Decided, Wish


class TimeKind:
    """``{"cron": expression}`` in the trigger's zone, or ``{"every": seconds}`` counted from when it starts."""

    counts_its_jobs = False
    is_quiet = False

    def problems(self, trigger: Trigger, *, now: datetime) -> list[Problem]:
        """Return what is wrong with a trigger's schedule."""
        try:
            schedules.parse(trigger.configuration, zone=trigger.time_zone, anchor=trigger.anchor)
        except BadSchedule as bad:
            return [Problem(bad.field, str(bad))]
        if trigger.queue_id is not None:
            return [Problem("queue", "a time trigger has none.")]
        return []

    def first_due(self, trigger: Trigger, *, now: datetime) -> datetime | None:
        """Return the first time after now at which a sound trigger is due, or ``None``."""
        return next(trigger.schedule().after(now), None)

    def facts_of(self, triggers: Sequence[Trigger], *, now: datetime) -> Mapping[UUID, Any]:
        """Return nothing: a schedule is all it takes."""
        return {}

    def batch_size(self, trigger: Trigger) -> int:
        """Return 0: its jobs own nothing."""
        return 0

    def decide(self, trigger: Trigger, facts: Any, *, now: datetime) -> Decided:
        """Decide about the due times up to now by the rules about missed ones."""
        if trigger.next_fire_at is None:
            return Decided()
        policy = Policy(trigger.misfire, trigger.misfire_limit, timedelta(seconds=trigger.misfire_grace))
        schedule = trigger.schedule()
        decisions, following = misfires.decide(schedule, first=trigger.next_fire_at, now=now, policy=policy)
        wishes = [
            Wish(one.due_at) if one.fires else Wish(one.due_at, jobs=0, code="misfire", reason=one.reason)
            for one in decisions
        ]
        return Decided(wishes, following)
