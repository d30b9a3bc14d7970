"""What the end of an execution means for its job. Pure: facts in, verdict out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

#: Reasons after which another try may help; everything else needs a person or another input.
RETRYABLE = frozenset(
    {
        "application_error",
        "environment_error",
        "package_error",
        "resource_limit",
        "robot_stopped",
        "timeout",
        "lost",
        "not_started",
    }
)
#: Reasons a robot may report for a failure.
REPORTED = frozenset(
    {
        "application_error",
        "business_error",
        "invalid_parameters",
        "timeout",
        "killed",
        "environment_error",
        "package_error",
        "resource_limit",  # it used more memory than it may
        "robot_stopped",  # an operator stopped the robot under it
    }
)
#: A job that took so many robots, or so many tries, with it is never tried again by itself.
POISON_ROBOTS, POISON_LOSSES = 2, 3


class End(StrEnum):
    """How an execution ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"
    RELEASED = "released"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What the verdict depends on."""

    is_cancelling: bool
    stop_was_asked: bool
    attempts_used: int
    max_attempts: int
    on_lost: str
    losses: int
    robots_lost: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The job's next status, why, and whether it waits before the next try."""

    status: str
    reason: str = ""
    backs_off: bool = False


def verdict(end: End, reason: str, facts: JobFacts) -> Verdict:
    """Decide where a job goes when its execution ended so. A success is never thrown away."""
    if end is End.COMPLETED:
        return Verdict("completed", "finished_before_cancel" if facts.is_cancelling else "")
    if facts.is_cancelling or end is End.REVOKED:
        return Verdict("cancelled", "killed" if end is End.REVOKED else "cancelled")
    if facts.stop_was_asked:  # It may end badly, but it is not begun again.
        return Verdict("failed", reason) if end is End.FAILED else Verdict("cancelled", "stopped")
    match end:
        case End.RELEASED:
            return Verdict("pending")
        case End.CANCELLED:
            return Verdict("failed", "killed")
        case End.LOST:
            return _after_loss(reason, facts)
        case _:
            return _after_failure(reason, facts)


def _after_loss(reason: str, facts: JobFacts) -> Verdict:
    if facts.robots_lost >= POISON_ROBOTS or facts.losses >= POISON_LOSSES:
        return Verdict("failed", "poison")
    if facts.on_lost == "hold":
        return Verdict("waiting", reason)
    if facts.on_lost == "fail":
        return Verdict("failed", reason)
    return _after_failure(reason, facts)


def _after_failure(reason: str, facts: JobFacts) -> Verdict:
    if reason in RETRYABLE and facts.attempts_used < facts.max_attempts:
        return Verdict("pending", reason, backs_off=True)
    return Verdict("failed", reason)
