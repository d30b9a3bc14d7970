"""Ends a job's process where its lease is over and nobody else ends it: its supervisor may be frozen.

Run by ``child.py`` with the job's own Python, so: standard library only, and nothing newer than Python 3.8.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import warnings

LOOK_EVERY = 1.0


def end_with_lease(control: str, margin: float) -> None:
    """Watch, beside the job, that its lease is still ours. Another robot may have the job afterwards.

    Args:
        control: The file that names the deadline, on the clock that counts suspended time.
        margin: Seconds from the deadline to the end of the lease.
    """
    warnings.filterwarnings("ignore", message=".*multi-threaded, use of fork", category=DeprecationWarning)
    threading.Thread(target=watch, args=[control, margin], name="bv lease", daemon=True).start()


def watch(control: str, margin: float) -> None:
    while True:
        deadline = deadline_in(control)
        if deadline is not None and steady() >= deadline + margin:
            die()
        time.sleep(LOOK_EVERY)


def deadline_in(control: str) -> float | None:
    try:
        with open(control, "rb") as file:
            return float(json.loads(file.read())["deadline"])
    except (OSError, ValueError, KeyError, TypeError):  # Being written, or gone: the supervisor decides.
        return None


def steady() -> float:
    """The same clock as the robot's own."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    else:  # noqa: RET505 - what follows a branch of another system counts as unreachable there
        return time.monotonic()


def die() -> None:
    """End this process and its group, without asking anything of it."""
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)
