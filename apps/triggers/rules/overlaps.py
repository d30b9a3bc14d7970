"""What a due time does while jobs of its trigger still go on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MOST_LIVE = 1_000
"""So many unfinished jobs of one trigger are enough: more would only hide that nobody works them off."""


class Way(StrEnum):
    """What becomes of a due time."""

    START = "start"
    REPLACE = "replace"  # what goes on is cancelled first
    WAIT = "wait"  # its job is made once what goes on has ended
    PASS = "pass"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a due time, and where it does not start at once, why: as a code and in words."""

    way: Way
    code: str = ""
    reason: str = ""


def judge(overlap: str, *, live: int, waits: bool, is_last: bool) -> Verdict:
    """Decide about one due time that would fire.

    ``live``: unfinished jobs of the trigger, those of earlier due times of this look included. ``waits``: whether an
    earlier due time waits already. ``is_last``: whether no later due time fires at this look.
    """
    if live >= MOST_LIVE:
        told = f"{live} jobs of this trigger have not ended; more would only pile up. Look at Why? on one of them."
        return Verdict(Way.PASS, "limit", told)
    if overlap == "cancel_previous" and not is_last:
        return Verdict(Way.PASS, "overlap", "A later time that fired at the same moment took its place.")
    if live == 0 and not waits:
        return Verdict(Way.START)
    match overlap:
        case "allow":
            return Verdict(Way.START)
        case "cancel_previous":
            return Verdict(Way.REPLACE)
        case "queue_one" if not waits:
            return Verdict(Way.WAIT, "queued", "It waits: a job of this trigger has not ended.")
        case "queue_one":
            return Verdict(
                Way.PASS, "overlap", "A job of this trigger has not ended, and one time waits for it already."
            )
        case _:
            return Verdict(Way.PASS, "overlap", "A job of this trigger has not ended.")
