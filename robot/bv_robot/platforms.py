"""What differs between operating systems. Every ``sys.platform`` of the robot is in this file, or in what it names.

Linux is what is run and tested. The branches for macOS and Windows are written with care and were not run.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import random
import select
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bv_robot import macos, windows

IS_LINUX = sys.platform == "linux"
IS_WINDOWS = sys.platform == "win32"

_PR_SET_CHILD_SUBREAPER = 36
STRAYS_WITHIN = 5.0
"""Seconds after which processes that survive SIGKILL (in the kernel's hands) are left to themselves."""
MARK_OF_SUPERVISOR = "BV_SUPERVISOR_MARK"
MARK_OF_JOB = "BV_JOB_MARK"
if sys.platform == "win32":
    STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGBREAK)
else:
    STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LOCKED_BYTE = 2**30
"""Which byte of a lock file is locked on Windows: what is locked cannot be read there, and the first ones say whose."""
REPLACE_WITHIN = 2.0
"""Seconds for which Windows is asked again to replace a file that somebody reads just now."""


def steady() -> float:
    """Seconds of a clock that never jumps, is the same in every process, and counts suspended time too."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    else:  # noqa: RET505 - what follows a branch of another system counts as unreachable there
        return time.monotonic()


@functools.cache
def boot_id() -> str:
    """A text that changes with every start of this machine. ``steady`` can be compared only within one boot."""
    if IS_LINUX:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    if IS_WINDOWS:  # A date would do harm: it moves when the clock is set, and jobs would be given up.
        return f"{platform.node()}-{windows.registered(windows.BOOT_COUNTER, 'BootId')}"
    return macos.boot_session() or f"{platform.node()}-{int(psutil.boot_time())}"


def host_name() -> str:
    """What this machine calls itself."""
    return platform.node()


def machine_signature() -> str:
    """64 hex digits that stay the same for this host: a hash, for the raw machine id is not for others to know."""
    return hashlib.sha256(f"bv-robot:{_machine_text()}".encode()).hexdigest()


def _machine_text() -> str:
    if IS_WINDOWS:
        return windows.registered(windows.CRYPTOGRAPHY, "MachineGuid")
    known = _machine_id() if IS_LINUX else macos.platform_uuid()
    return known or f"{platform.node()} {uuid.getnode():x}"


def _machine_id() -> str:
    for name in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            text = Path(name).read_text().strip()
        except OSError:
            continue
        if text:
            return text
    return ""


# Files


def try_lock(descriptor: int) -> bool:
    """Take the exclusive lock of an open file without waiting. It goes away with the process, however that ends."""
    try:
        if sys.platform == "win32":
            import msvcrt

            position = os.lseek(descriptor, 0, os.SEEK_CUR)
            os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            finally:
                os.lseek(descriptor, position, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def replace(source: Path, target: Path) -> None:
    """Put ``source`` in the place of ``target``, in one step. Windows may have to be asked again."""
    give_up_at = steady() + REPLACE_WITHIN
    while True:
        try:
            source.replace(target)
            return
        except PermissionError:
            if not IS_WINDOWS or steady() >= give_up_at:
                raise
            time.sleep(0.01)


def sync_directory(directory: Path) -> None:
    """Make a rename in ``directory`` survive a power cut. Windows has no such call and needs none."""
    if IS_WINDOWS:
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def python_of(environment: Path) -> Path:
    """The interpreter inside a virtual environment."""
    return environment / ("Scripts/python.exe" if IS_WINDOWS else "bin/python")


# Processes


@dataclass(frozen=True)
class ProcessIdentity:
    """Enough about a process to tell it from any other that will ever have its number."""

    pid: int
    start: str
    boot: str
    mark: str


def own_identity() -> ProcessIdentity:
    """The identity of the calling process, whose mark is in its environment."""
    pid = os.getpid()
    return ProcessIdentity(pid, process_start(pid) or "", boot_id(), os.environ.get(MARK_OF_SUPERVISOR, ""))


def still_runs(identity: ProcessIdentity) -> bool:
    """Say whether exactly this process is alive: same boot, number, start time and mark."""
    if identity.boot != boot_id() or process_start(identity.pid) != identity.start:
        return False
    return _mark_of(identity.pid, MARK_OF_SUPERVISOR) == identity.mark


def process_start(pid: int) -> str | None:
    """When ``pid`` started, in a form to compare only; None when it is gone or a zombie."""
    if not IS_LINUX:
        return _process_start_elsewhere(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    # Ticks since boot: psutil turns them into a date, which moves when the wall clock is set.
    return None if fields[0] in {b"Z", b"X"} else fields[19].decode()


def _process_start_elsewhere(pid: int) -> str | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
    except psutil.Error:
        return None


def _mark_of(pid: int, variable: str) -> str | None:
    try:
        return psutil.Process(pid).environ().get(variable)
    except (psutil.Error, OSError):
        return None


class Exit:
    """Waits for the end of a process, whoever's child it is, without using the processor."""

    def __init__(self, pid: int) -> None:
        self._descriptor: int | None = None
        if sys.platform == "linux":
            try:
                self._descriptor = os.pidfd_open(pid)
            except OSError:  # Gone already, or a kernel before 5.3: the caller's own check decides.
                return
            self._poll = select.poll()
            self._poll.register(self._descriptor, select.POLLIN)

    def wait(self, seconds: float) -> None:
        """Return at the process's end or after ``seconds``, whichever comes first."""
        if self._descriptor is None:
            time.sleep(min(seconds, 0.05))
        elif sys.platform == "linux":
            self._poll.poll(seconds * 1000)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def descendants(mark: str) -> list[psutil.Process]:
    """Every living process below the calling supervisor, whose job carries ``mark``."""
    found = {process.pid: process for process in psutil.Process().children(recursive=True)}
    if not IS_LINUX:  # Elsewhere orphans are nobody's children, and only their mark tells whose they were.
        found |= {process.pid: process for process in strays(mark)}
    return [process for process in found.values() if process_start(process.pid) is not None]


def strays(mark: str) -> list[psutil.Process]:
    """Every living process of the job with this mark in its environment, wherever it has moved to."""
    return [
        process
        for process in psutil.process_iter()
        if process.pid != os.getpid() and _mark_of(process.pid, MARK_OF_JOB) == mark
    ]


def kill_strays(mark: str) -> None:
    """Kill every process of the job with this mark, also those that come into being meanwhile."""
    deadline = steady() + STRAYS_WITHIN
    while (found := strays(mark)) and steady() < deadline:
        kill(found)
        time.sleep(0.02)


def become_subreaper() -> None:
    """Have orphans among our descendants become our children, so that none can slip away by forking twice.

    On Windows they are held together by a job object, which also ends them when we end. macOS has nothing like it.
    """
    if sys.platform == "win32":
        windows.contain_this_process()
    elif sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def apart() -> dict[str, Any]:
    """Arguments of ``Popen`` that put a process in a session and process group of its own."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    else:  # noqa: RET505
        return {"start_new_session": True}


def ask_group_to_end(pid: int) -> None:
    """SIGTERM to the process group that ``pid`` leads; on Windows Ctrl-Break, which arrives there as SIGBREAK."""
    if sys.platform == "win32":
        try:
            os.kill(pid, signal.CTRL_BREAK_EVENT)
        except OSError:  # Without a console nothing can be asked, only ended.
            kill_group(pid)
    else:
        try:
            os.killpg(pid, signal.SIGTERM)
        except (ProcessLookupError, PermissionError):
            send([pid], signal.SIGTERM)


def kill_group(pid: int) -> None:
    """SIGKILL to the process group that ``pid`` leads; on Windows the end of it and all below it."""
    if sys.platform == "win32":
        kill(tree_of(pid))
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def tree_of(pid: int) -> list[psutil.Process]:
    """A process and all below it, the lowest first; nothing where it is gone."""
    try:
        process = psutil.Process(pid)
        return [*reversed(process.children(recursive=True)), process]
    except psutil.Error:
        return []


def send(pids: Iterable[int], number: int) -> None:
    """Send a signal to each process that is still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def thaw(pid: int) -> None:
    """Let a process go on that somebody stopped with SIGSTOP."""
    if sys.platform != "win32":
        send([pid], signal.SIGCONT)


def kill(processes: Iterable[psutil.Process]) -> None:
    """Kill each process that is still there, without asking."""
    for process in processes:
        try:
            process.kill()
        except psutil.Error:
            continue


def reap(except_for: int) -> None:
    """Let go of adopted orphans that have ended. ``except_for`` is the child whose exit code somebody waits for."""
    if sys.platform != "win32":
        for child in psutil.Process().children():
            if child.pid != except_for and process_start(child.pid) is None:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(child.pid, os.WNOHANG)


def has_left_core(pid: int) -> bool | None:
    """Whether a child of ours left a core file at its end; None while it runs. It stays to be waited for."""
    if sys.platform == "linux":
        with contextlib.suppress(ChildProcessError):  # Waited for already.
            end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            return None if end is None else end.si_code == os.CLD_DUMPED
    return False


def some_processors(count: int | None) -> list[int] | None:
    """So many of the processors we may use, any of them, so that jobs do not all crowd on the first; None for all."""
    if count is None or not hasattr(psutil.Process, "cpu_affinity"):  # macOS has no such thing.
        return None
    process: Any = psutil.Process()
    ours = process.cpu_affinity()
    return random.sample(ours, min(count, len(ours)))


def confine(pid: int, *, nice: int, processors: list[int] | None) -> None:
    """Give a process a lower priority and some processors only, on Windows, where it does not do so by itself."""
    if not IS_WINDOWS:
        return
    try:
        process: Any = psutil.Process(pid)
        if nice:
            process.nice(getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS"))  # noqa: B009 - it is there on Windows only
        if processors:
            process.cpu_affinity(processors)
    except psutil.Error:  # It has ended already.
        return


def memory_of(processes: Iterable[psutil.Process]) -> int:
    """Bytes of memory of some processes together; where the system tells, what they share is counted once."""
    return sum(map(_proportional_memory, processes))


def _proportional_memory(process: psutil.Process) -> int:
    try:
        if IS_LINUX:
            told: Any = process.memory_full_info()
            return int(told.pss)
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def usage_of_children() -> tuple[float, int]:
    """CPU seconds and the largest resident memory (bytes) of all children that have ended."""
    if sys.platform == "win32":
        return 0.0, 0
    else:  # noqa: RET505
        import resource

        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime, used.ru_maxrss * (1024 if IS_LINUX else 1)
