"""Keeps processes running: starts them again when they die, and ends them all in order."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.supervisor import guardian, steps
from orchestrator.supervisor.children import BackOff, Child, Program, meaning_of
from orchestrator.supervisor.guardian import Guardian
from orchestrator.supervisor.logs import RotatingFile

TICK_SECONDS = 0.1
HOPELESS_AFTER = 3  # deaths in a row before a process was ready even once
TAIL_LINES = 15


class NotReady(Exception):
    """A process did not come up, or a step failed; the message holds the end of its log."""


class Cancelled(NotReady):
    """Somebody asked for the end before everything was up."""


class Supervisor:
    """Runs programs until it is stopped.

    A thread watches them. Whatever is said to the person at the terminal goes through ``say``, from any thread, and
    into ``supervisor.log``. If this process is killed, a guardian ends the children in its place.
    """

    def __init__(
        self,
        log_folder: Path,
        *,
        say: Callable[[str], None],
        is_cancelled: Callable[[], bool] = lambda: False,
        back_off: BackOff | None = None,
        log_bytes: int = 10 * 1024 * 1024,
        logs_kept: int = 3,
    ) -> None:
        log_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.log_folder = log_folder
        self._say = say
        self._is_cancelled = is_cancelled
        self._back_off = back_off or BackOff()
        self._log_bytes, self._logs_kept = log_bytes, logs_kept
        self._children: dict[str, Child] = {}
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._record = self._log("supervisor")
        self.guardian = Guardian()
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._watcher.start()

    def start(self, program: Program) -> None:
        """Start a program and keep it running; its name must be new."""
        with self._lock:
            self._require_going_on()
            child = self._children[program.name] = Child(program, self._log(program.name))
            self._start(child)

    def wait_ready(self, *names: str, timeout: float) -> None:
        """Wait until these programs do their work; raises ``NotReady`` after ``timeout`` seconds or repeated deaths."""
        end = time.monotonic() + timeout
        for name in names:
            child = self._children[name]
            while not child.is_ready():
                self._require_going_on()
                if self._is_hopeless(child) or time.monotonic() > end:
                    raise NotReady(self._why_not_ready(child))
                time.sleep(TICK_SECONDS / 2)

    def run(self, program: Program, *, on_line: Callable[[str], None] | None = None) -> str:
        """Run a program to its end and return its output; raises ``NotReady`` where it fails or cannot be started."""
        log = self._log(program.name)
        try:
            return steps.run(program, self.guardian, log, on_line or _ignore, check=self._require_going_on)
        except steps.StepFailed as failure:
            raise NotReady(str(failure)) from failure
        finally:
            log.close()

    def pid_of(self, name: str) -> int | None:
        """Return the process that runs a program now, or nothing while it waits to be started again."""
        return self._children[name].pid

    def say(self, message: str) -> None:
        """Tell the person at the terminal, and write it down with the time.

        A terminal that is gone and a disk that is full cost the words and nothing else: somebody must go on watching.
        """
        for tell in (self._write_down, self._say):
            with contextlib.suppress(OSError):
                tell(message)

    def stop(self) -> None:
        """End all programs in order of their ranks, within the sum of their ranks' graces, and leave nothing behind."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._watcher.join()
        with self._lock:
            running = {child.pid: child for child in self._children.values() if child.pid is not None}
            guardian.end_all([child.target() for child in running.values()], lambda pid: not running[pid].has_ended())
            for child in running.values():
                child.collect()
        self.guardian.close()
        for child in self._children.values():
            child.log.close()
        self._record.close()

    def _write_down(self, message: str) -> None:
        self._record.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}Z {message}\n".encode())

    def _require_going_on(self) -> None:
        if self._stopping.is_set() or self._is_cancelled():
            raise Cancelled("Stopped before everything was running.")

    def _watch(self) -> None:
        while not self._stopping.wait(TICK_SECONDS):
            with self._lock:
                self.guardian.check()
                for child in self._children.values():
                    self._look_after(child)

    def _look_after(self, child: Child) -> None:
        if child.start_at is not None and time.monotonic() >= child.start_at:
            self._start(child)
        elif child.pid is not None and child.has_ended():
            self._note_end(child)

    def _start(self, child: Child) -> None:
        try:
            child.start()
        except OSError as error:
            self._retry_later(child, f"cannot be started ({error})")
        else:
            self.guardian.watch(child.target())

    def _note_end(self, child: Child) -> None:
        pid = child.pid
        if child.ran_for() >= self._back_off.stable_after:
            child.failures = 0
        code = child.collect()
        if pid is not None:
            self.guardian.forget(pid)
        self._retry_later(child, meaning_of(code))

    def _retry_later(self, child: Child, what_happened: str) -> None:
        child.failures += 1
        delay = self._back_off.delay(child.failures)
        child.start_at = time.monotonic() + delay
        self.say(f"{child.program.name} {what_happened}; starting it again in {delay:g} s.")

    def _is_hopeless(self, child: Child) -> bool:
        return child.failures >= HOPELESS_AFTER and not child.was_ready

    def _why_not_ready(self, child: Child) -> str:
        end = child.log.tail(TAIL_LINES) or "(nothing)"
        return f"{child.program.name} did not come up. The end of {child.log.path}:\n{end}"

    def _log(self, name: str) -> RotatingFile:
        path = self.log_folder / f"{name}.log"
        return RotatingFile(path, max_bytes=self._log_bytes, keep=self._logs_kept)


def _ignore(line: str) -> None:
    pass
