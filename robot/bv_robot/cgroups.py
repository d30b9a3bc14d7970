"""Control groups (Linux, version 2): the kernel counts what a job uses, and holds it to its limits.

The listener needs a part of the tree that is handed over to it (systemd: ``Delegate=yes``). A group that has members
may hand no controllers on, so it moves itself into a group below; jobs get groups of their own beside that.
"""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from bv_robot import platforms
from bv_robot.limits import Limits

CONTROLLERS = ("memory", "cpu", "pids")
OWN_NAME = "bv-robot"
"""The group of the listener and of the supervisors."""
PREFIX = "bv-job-"
PERIOD = 100_000
"""Microseconds over which the kernel shares out processor time."""
MOST_PROCESSES = 4096
"""Processes and threads of one job, so that one that forks without end harms itself alone."""
MARKS = ("user.delegate", "trusted.delegate")
"""Attributes by which systemd says that a group was handed over."""

ADVICE = (
    "As a systemd service: Delegate=yes and DelegateSubgroup=bv-robot (systemd 254 or newer); in a container: a "
    "writable /sys/fs/cgroup with a namespace of its own"
)


class NotDelegated(Exception):
    """The robot has no control groups to give to its jobs. The message says why, for people."""


# The robot's part of the tree


def delegated(pid: int | None = None, proc: Path = Path("/proc")) -> Path:
    """The group that was handed over to a process, its own or the one above. Nothing is changed.

    Raises:
        NotDelegated: where there is none.
    """
    if not platforms.IS_LINUX:
        raise NotDelegated("control groups are there on Linux only")
    path = _path_of(proc, str(pid or "self"))
    mount = _mount(proc)
    own = mount / path.lstrip("/")
    for group in (own.parent, own) if own != mount else (own,):
        if _is_handed_over(group, is_root_of_namespace=group == mount):
            _demand_controllers(group)
            return group
    raise NotDelegated(f"the control group {path} was not handed over to the robot")


def _path_of(proc: Path, pid: str) -> str:
    try:
        lines = (proc / pid / "cgroup").read_text().splitlines()
    except OSError as error:
        raise NotDelegated(f"the control group of process {pid} cannot be read: {error.strerror}") from error
    for line in lines:
        if line.startswith("0::"):
            return line[3:]
    raise NotDelegated("this kernel has no control groups of version 2")


def _mount(proc: Path) -> Path:
    for line in (proc / "self" / "mounts").read_text().splitlines():
        _, place, kind, *_ = line.split(" ")
        if kind == "cgroup2":
            return Path(place)
    raise NotDelegated("no control groups of version 2 are mounted")


def _is_handed_over(group: Path, *, is_root_of_namespace: bool) -> bool:
    """Whether the group is ours to divide: able to write is not enough, for root can do that everywhere."""
    needed = (group, group / "cgroup.procs", group / "cgroup.subtree_control")
    if not all(os.access(path, os.W_OK) for path in needed):
        return False
    return (is_root_of_namespace and not _is_root_of_machine(group)) or any(_is_marked(group, mark) for mark in MARKS)


def _is_root_of_machine(group: Path) -> bool:
    """Only groups below the root of the whole machine have a type."""
    return not (group / "cgroup.type").exists()


def _is_marked(group: Path, mark: str) -> bool:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            return os.getxattr(group, mark) == b"1"
    return False


def _demand_controllers(group: Path) -> None:
    known = (group / "cgroup.controllers").read_text().split()
    if missing := [name for name in CONTROLLERS if name not in known]:
        raise NotDelegated(f"the control group {group} has no controller for {', '.join(missing)}")


def take(group: Path) -> None:
    """Make a delegated group ready for groups of jobs, and sweep away what an earlier listener left.

    Raises:
        NotDelegated: where the kernel refuses, for instance because a foreign process is in the group.
    """
    try:
        _move_down(group)
        (group / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in CONTROLLERS))
    except OSError as error:
        raise NotDelegated(f"the control group {group} cannot be divided: {error.strerror}") from error
    sweep(group)


def _move_down(group: Path) -> None:
    """Leave the group itself, which may have no members once it hands controllers on; an init goes along."""
    below = group / OWN_NAME
    for pid in (group / "cgroup.procs").read_text().split():
        below.mkdir(exist_ok=True)
        with contextlib.suppress(ProcessLookupError):  # It has just ended.
            (below / "cgroup.procs").write_text(pid)


def sweep(group: Path) -> None:
    """Remove the groups of jobs that have no process any more."""
    for left in group.glob(f"{PREFIX}*"):
        JobGroup(left).remove()


# The group of a job


@dataclass(frozen=True)
class JobGroup:
    """The control group of one job."""

    directory: Path

    @classmethod
    def of(cls, group: Path, execution: str) -> JobGroup:
        return cls(group / f"{PREFIX}{execution}")

    def make(self, limits: Limits) -> None:
        """Create the group and write its limits down.

        Raises:
            OSError: when the kernel refuses.
        """
        self.directory.mkdir(exist_ok=True)
        self._write("memory.oom.group", 1)
        self._write("pids.max", MOST_PROCESSES)
        if limits.memory is not None:
            self._write("memory.max", limits.memory)
            with contextlib.suppress(OSError):  # A kernel without swap accounting has no such file.
                self._write("memory.swap.max", 0)
        if limits.cpu is not None:
            self._write("cpu.max", f"{max(1000, round(limits.cpu * PERIOD))} {PERIOD}")

    @property
    def members(self) -> Path:
        """The file into which a process writes itself."""
        return self.directory / "cgroup.procs"

    def cpu_seconds(self) -> float:
        """Processor time of everything that ever ran in it."""
        return self._numbers("cpu.stat").get("usage_usec", 0) / 1e6

    def memory(self) -> int:
        """Bytes in use, without files that the kernel keeps in memory only because there is room."""
        used = int(self._text("memory.current") or 0)
        return max(0, used - self._numbers("memory.stat").get("inactive_file", 0))

    def kills(self) -> int:
        """How many processes the kernel ended for want of memory."""
        return self._numbers("memory.events").get("oom_kill", 0)

    def forks_refused(self) -> int:
        """How often a process more was refused."""
        return self._numbers("pids.events").get("max", 0)

    def kill(self) -> None:
        """SIGKILL to everything in it at once, also to what is just being forked."""
        if (self.directory / "cgroup.kill").exists():  # Since Linux 5.14; the callers kill one by one as well.
            with contextlib.suppress(OSError):  # The group has gone meanwhile.
                self._write("cgroup.kill", 1)

    def remove(self) -> bool:
        """Remove the group with those below it. False where a process still lives in one."""
        for directory, _, _ in os.walk(self.directory, topdown=False):
            try:
                os.rmdir(directory)
            except FileNotFoundError:
                continue
            except OSError:
                return False
        return True

    def _write(self, name: str, value: int | str) -> None:
        (self.directory / name).write_text(str(value))

    def _text(self, name: str) -> str:
        try:
            return (self.directory / name).read_text()
        except OSError:
            return ""

    def _numbers(self, name: str) -> dict[str, int]:
        """A file of names and numbers, one pair a line."""
        pairs = (line.split() for line in self._text(name).splitlines())
        return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
