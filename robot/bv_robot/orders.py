"""What the operator of this machine asks of a robot: files in its home, which are heeded whatever dies meanwhile.

An order to pause stands until it is taken back. An order to stop stands until a listener has carried it out.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from bv_robot import spool
from bv_robot.config import Home

DRAIN = 1
"""How urgent a stop is: at this level what runs is finished, above it is ended."""
AT_ONCE = 2


def pause(home: Home) -> None:
    """Have the robot take nothing new, now and after its next start."""
    _give(home.pause_file, {})


def resume(home: Home) -> bool:
    """Take the pause back; False where there was none."""
    was_paused = is_paused(home)
    home.pause_file.unlink(missing_ok=True)
    return was_paused


def is_paused(home: Home) -> bool:
    """Say whether the robot is to take nothing new. The file counts, whatever is in it."""
    return home.pause_file.exists()


def stop(home: Home, urgency: int) -> None:
    """Have the listener end. What was asked before is never made less urgent."""
    _give(home.stop_file, {"urgency": max(urgency, urgency_of_stop(home))})


def urgency_of_stop(home: Home) -> int:
    """How urgently the listener is to end; 0 where nobody asked. An order that cannot be read is one to drain."""
    if not home.stop_file.exists():
        return 0
    return AT_ONCE if spool.read_note(home.stop_file).get("urgency") == AT_ONCE else DRAIN


def forget_stop(home: Home) -> None:
    """Take note that the order to stop was carried out, so that the next start works on."""
    home.stop_file.unlink(missing_ok=True)


def _give(path: Path, order: dict[str, int]) -> None:
    spool.write_file(path, json.dumps(order | {"at": int(time.time())}).encode())
