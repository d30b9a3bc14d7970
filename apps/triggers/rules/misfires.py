"""What becomes of due times when they are looked at: those that are punctual, and those that were missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, takewhile

from apps.triggers.rules.schedules import Schedule

#: So many due times are decided at a time; the next look goes on behind them.
MOST_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Policy:
    """What to do about what was missed; ``grace`` is how late a time still counts as punctual."""

    misfire: str  # fire_once, fire_all or skip
    limit: int
    grace: timedelta


@dataclass(frozen=True, slots=True)
class Decision:
    """One due time: it fires, or it is passed over for a reason."""

    due_at: datetime
    fires: bool
    reason: str = ""


def decide(
    schedule: Schedule, *, first: datetime, now: datetime, policy: Policy
) -> tuple[list[Decision], datetime | None]:
    """Decide about the due times from ``first`` up to ``now``; returns the decisions and the time to look at next.

    With very many, only the first are decided, and the next time to look at lies in the past: look again at once.
    """
    times = [first, *islice(takewhile(lambda at: at <= now, schedule.after(first)), MOST_AT_ONCE - 1)]
    standing = _standing(schedule, now, policy)
    decisions = [_decided(at, now, policy, standing) for at in times if at <= now]
    return decisions, next(schedule.after(times[-1]), None) if decisions else first


def _standing(schedule: Schedule, now: datetime, policy: Policy) -> Sequence[datetime]:
    """The missed times that fire all the same, by the policy: the newest one, or the newest few."""
    punctual_from = now - policy.grace
    match policy.misfire:
        case "fire_once":
            newest = next(schedule.before(now), None)
            # A punctual time stands for all that was missed before it.
            return [newest] if newest is not None and newest < punctual_from else []
        case "fire_all":
            missed = (at for at in schedule.before(now) if at < punctual_from)
            return list(islice(missed, policy.limit))
        case _:
            return []


def _decided(at: datetime, now: datetime, policy: Policy, standing: Sequence[datetime]) -> Decision:
    if at >= now - policy.grace or at in standing:
        return Decision(at, fires=True)
    match policy.misfire:
        case "fire_once":
            return Decision(at, fires=False, reason="It was missed, and a later time stands for it.")
        case "fire_all":
            told = f"It was missed, and of those only the last {policy.limit} are made up for."
            return Decision(at, fires=False, reason=told)
        case _:
            return Decision(at, fires=False, reason="It was missed, and what is missed is not made up for.")
