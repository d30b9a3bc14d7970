"""Ends processes and all that came from them, also when the supervisor itself is killed.

Run as a program (standard library only) this file is the *guardian*: a process beside the supervisor, in a session of
its own, that is told over a pipe what runs. The pipe closes when the supervisor dies, however it dies; what the
supervisor has not ended by then, the guardian ends in the same order.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

POLL_SECONDS = 0.05
TOTAL_SECONDS = 9.5  # All ranks together; what the others did not need, the last one, the database, may use.
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Target:
    """A process that leads a group of its own, and how it is ended: lower ranks first.

    It has ``grace`` seconds from the first signal; after ``urge_after`` of them it is sent the signal once more.
    """

    pid: int
    rank: int
    stop_signal: int = int(signal.SIGTERM)
    grace: float = 3.0
    urge_after: float | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """One process, not to be mistaken for a later one with the same number."""

    pid: int
    started: str


def end_all(targets: Iterable[Target], is_alive: Callable[[int], bool]) -> None:
    """End processes rank by rank: ask, wait, then kill their groups and whatever descends from them."""
    begun = time.monotonic()
    ordered = sorted(targets, key=lambda target: target.rank)
    ranks = list(dict.fromkeys(target.rank for target in ordered))
    for rank in ranks:
        left = TOTAL_SECONDS - (time.monotonic() - begun) if rank == ranks[-1] and len(ranks) > 1 else 0.0
        _end_rank([target for target in ordered if target.rank == rank], is_alive, at_least=left)


def kill_group(leader: int) -> None:
    """Kill every process in the group that ``leader`` led."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def descendants(pid: int) -> list[Identity]:
    """Return everything that descends from a process now, in whatever group or session."""
    table = _process_table()
    found: list[Identity] = []
    parents = [pid]
    while parents:
        parent = parents.pop()
        children = [Identity(child, started) for child, (its_parent, started) in table.items() if its_parent == parent]
        found += children
        parents += [child.pid for child in children]
    return found


def exists(pid: int) -> bool:
    """Say whether a process runs; one that has ended and was not collected does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _state(pid) not in {"Z", "X"}


def _end_rank(targets: list[Target], is_alive: Callable[[int], bool], *, at_least: float) -> None:
    # Who descends from whom must be asked now: when a parent is gone, its children are nobody's.
    offspring = [child for target in targets for child in descendants(target.pid)]
    for target in targets:
        _ask(target)
    _await_end(targets, is_alive, at_least)
    for target in targets:
        kill_group(target.pid)
    _kill_survivors(offspring)


def _await_end(targets: list[Target], is_alive: Callable[[int], bool], at_least: float) -> None:
    begun = time.monotonic()
    to_urge = [target for target in targets if target.urge_after is not None]
    while alive := {target.pid for target in targets if is_alive(target.pid)}:
        passed = time.monotonic() - begun
        if passed >= max(at_least, *(target.grace for target in targets if target.pid in alive)):
            return
        due = [target for target in to_urge if target.urge_after is not None and passed >= target.urge_after]
        for target in due:
            to_urge.remove(target)
            if target.pid in alive:
                _ask(target)
        time.sleep(POLL_SECONDS)


def _ask(target: Target) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(target.pid, target.stop_signal)


def _kill_survivors(processes: list[Identity]) -> None:
    if not processes:
        return
    table = _process_table()
    for process in processes:
        if process.pid in table and table[process.pid][1] == process.started:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, signal.SIGKILL)


def _process_table() -> dict[int, tuple[int, str]]:
    """Return parent and start time of every process."""
    if not (PROC / "self" / "stat").exists():
        return _process_table_of_ps()
    table = {}
    for folder in PROC.iterdir():
        fields = _stat_fields(int(folder.name)) if folder.name.isdecimal() else []
        if fields:
            table[int(folder.name)] = (int(fields[1]), fields[19])
    return table


def _process_table_of_ps() -> dict[int, tuple[int, str]]:
    listing = subprocess.run(["ps", "-axo", "pid=,ppid=,lstart="], capture_output=True, text=True, check=False).stdout
    rows = (line.split(None, 2) for line in listing.splitlines())
    return {int(pid): (int(parent), started) for pid, parent, started in rows}


def _stat_fields(pid: int) -> list[str]:
    """Return what ``/proc`` says of a process after its name, which may hold anything: state, parent, …"""
    try:
        return (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _state(pid: int) -> str:
    if (PROC / "self" / "stat").exists():
        fields = _stat_fields(pid)
        return fields[0] if fields else "X"
    asked = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return asked.stdout.strip()[:1] or "X"


class Guardian:
    """The supervisor's end of the pipe."""

    def __init__(self) -> None:
        self._watched: dict[int, Target] = {}
        self._folders: list[Path] = []
        self._start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def watch(self, target: Target) -> None:
        """End this process if the supervisor dies."""
        self._watched[target.pid] = target
        self._tell({"watch": asdict(target)})

    def forget(self, pid: int) -> None:
        """This process has ended, or is somebody else's now."""
        self._watched.pop(pid, None)
        self._tell({"forget": pid})

    def remove_at_end(self, folder: Path) -> None:
        """Remove this folder if the supervisor dies, once all processes have ended."""
        self._folders.append(folder)
        self._tell({"remove": str(folder)})

    def check(self) -> None:
        """Put another in the place of a guardian that was killed."""
        if self._process.poll() is not None:
            self._close_pipe()
            self._start()

    def close(self) -> None:
        """Part in peace: the guardian forgets everything and ends."""
        self._tell({"forget_all": True})
        self._close_pipe()
        self._process.wait()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-E", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
        for target in self._watched.values():
            self._tell({"watch": asdict(target)})
        for folder in self._folders:
            self._tell({"remove": str(folder)})

    def _tell(self, message: dict[str, object]) -> None:
        pipe = self._process.stdin
        if pipe is None or pipe.closed:
            return
        with contextlib.suppress(BrokenPipeError):  # It was killed; check() makes another, who learns everything.
            pipe.write(json.dumps(message).encode() + b"\n")
            pipe.flush()

    def _close_pipe(self) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()


def keep_watch() -> None:
    """Listen until the supervisor is gone, then end what it left."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    watched: dict[int, Target] = {}
    folders: list[str] = []
    for line in sys.stdin:
        if not line.endswith("\n"):
            break  # The supervisor died in the middle of a word.
        message = json.loads(line)
        if "watch" in message:
            target = Target(**message["watch"])
            watched[target.pid] = target
        elif "forget" in message:
            watched.pop(message["forget"], None)
        elif "remove" in message:
            folders.append(message["remove"])
        else:
            watched.clear()
            folders.clear()
    end_all(watched.values(), exists)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    keep_watch()
