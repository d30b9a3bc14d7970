"""How a job's process ended: exit code, signal, core file, and whether the kernel took it for want of memory."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bv_robot import platforms

CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")
KERNEL_COUNTERS = Path("/proc/vmstat")


@dataclass(frozen=True)
class Death:
    """The end of a process.

    Attributes:
        exit_code: What it left with; below zero the number of the signal that ended it.
        has_core: Whether the kernel wrote its memory into a core file, or handed it to a program.
    """

    exit_code: int
    has_core: bool = False

    @property
    def was_killed(self) -> bool:
        return self.exit_code == -9  # Windows knows no SIGKILL by name.


def poll(child: subprocess.Popen[bytes]) -> Death | None:
    """How a child ended, or None while it runs."""
    has_core = platforms.has_left_core(child.pid)  # Before anybody waits for it: a Popen does not tell.
    if has_core is None:
        return None
    code = child.poll()
    return None if code is None else Death(code, has_core)


def in_words(death: Death, work: Path) -> str:
    """Say how a process ended that gave no answer. ``work`` is the directory it ran in."""
    if death.exit_code >= 0:
        return f"The job's process ended with exit code {death.exit_code} before it gave an answer."
    core = f" A core was dumped: {where_cores_go(work)}." if death.has_core else ""
    return f"The job's process was ended by {signal_in_words(-death.exit_code)} before it gave an answer.{core}"


def signal_in_words(number: int) -> str:
    """Such as ``signal 11 (segmentation fault)``."""
    try:
        told = signal.strsignal(number)
    except ValueError:
        told = None
    return f"signal {number} ({told[:1].lower()}{told[1:]})" if told else f"signal {number}"


def where_cores_go(work: Path, pattern_file: Path = CORE_PATTERN) -> str:
    """Say where this machine puts core files of programs that run in ``work``."""
    try:
        pattern = pattern_file.read_text().strip()
    except OSError:
        return "see where this system keeps core files"
    if pattern.startswith("|"):
        return f"this system hands it to {pattern[1:].split()[0]}; with systemd, see coredumpctl"
    return f"see {pattern if os.path.isabs(pattern) else work / pattern} (the pattern of its name)"


def kills_for_memory(counters: Path = KERNEL_COUNTERS) -> int:
    """How many processes the kernel of this machine has ended for want of memory since it started."""
    try:
        lines = counters.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
