"""Which versions of the robot API are spoken here, and what to say to a robot that speaks none of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

NEWEST_PROTOCOL: Final = 1
#: So many versions before the newest go on working.
OLDER_KEPT: Final = 2
#: Of more versions only the first and the last are named.
MOST_NAMED: Final = 5


def spoken(newest: int = NEWEST_PROTOCOL) -> range:
    """Return the versions that a server speaks whose newest is ``newest``."""
    return range(max(1, newest - OLDER_KEPT), newest + 1)


def common(offered: Sequence[int], ours: range) -> int | None:
    """Return the newest version that both sides speak, or ``None``."""
    return max(set(offered) & set(ours), default=None)


def is_too_new(offered: Sequence[int], ours: range) -> bool:
    """Say, of a robot without a common version, whether it is the server that is behind."""
    return any(version > ours[-1] for version in offered)


def refusal(offered: Sequence[int], ours: range, program: str) -> str:
    """Say to a person why a robot is turned away, and what to update."""
    robot = f"bv-robot {program}".rstrip()
    speaks, wants = _in_words(offered), _in_words(ours)
    if is_too_new(offered, ours):
        what = "Update the orchestrator, or install an older bv-robot there."
    else:
        what = "Update bv-robot on its machine."
    return f"{robot} speaks version {speaks} of the robot API; this orchestrator takes {wants}. {what}"


def _in_words(versions: Sequence[int]) -> str:
    known = sorted(set(versions))
    if len(known) > MOST_NAMED:
        return f"{known[0]} to {known[-1]}"
    return ", ".join(str(version) for version in known)
