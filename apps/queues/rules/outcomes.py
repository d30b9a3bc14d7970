"""What the end of a lease means for its item."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

#: Of an item whose holders vanished too often; it is never handed out again by itself.
POISON = "poison"


class Outcome(StrEnum):
    """How somebody's work on an item ended."""

    DONE = "done"
    FAILED = "failed"
    ABANDONED = "abandoned"
    RELEASED = "released"  # given back untouched
    EXPIRED = "expired"  # its holder vanished


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """What the verdict depends on, beside the outcome."""

    attempt: int
    max_attempts: int
    crashes: int
    most_crashes: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The item's next state, what it failed of, and whether another try is made."""

    status: str
    error_type: str = ""
    code: str = ""
    is_retried: bool = False
    crashed: bool = False


def verdict(outcome: Outcome, facts: ItemFacts, *, error_type: str = "", code: str = "") -> Verdict:
    """Decide where an item goes. Business errors are never tried again; a vanished holder costs no attempt."""
    match outcome:
        case Outcome.DONE:
            return Verdict("done")
        case Outcome.ABANDONED:
            return Verdict("abandoned", error_type, code)
        case Outcome.RELEASED:
            return Verdict("new")
        case Outcome.EXPIRED:
            if facts.crashes + 1 >= facts.most_crashes:
                return Verdict("failed", "system", POISON, crashed=True)
            return Verdict("new", crashed=True)
        case _:
            again = error_type != "business" and facts.attempt < facts.max_attempts
            return Verdict("failed", error_type, code, is_retried=again)
