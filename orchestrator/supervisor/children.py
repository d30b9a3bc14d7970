"""What a supervised process is, and the one that runs now."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.supervisor import guardian, logs
from orchestrator.supervisor.logs import RotatingFile


@dataclass(frozen=True, slots=True)
class Program:
    """A command to keep running.

    ``rank`` orders the end: lower ranks are ended first. ``grace`` is how many seconds the process may take to end once
    it was sent ``stop_signal``. ``is_ready`` says whether it does its work; without it, a process that runs is ready.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    rank: int = 1
    grace: float = 3.0
    urge_after: float | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    is_ready: Callable[[], bool] | None = None
    folder: Path = Path("/")
    popen_options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BackOff:
    """How long to wait before starting a process again, in seconds: doubling, up to a cap.

    A process that ran for ``stable_after`` seconds is forgiven what came before.
    """

    first: float = 0.5
    cap: float = 30.0
    stable_after: float = 30.0

    def delay(self, failures: int) -> float:
        """Return the wait after so many failures in a row, the last one included."""
        return float(min(self.cap, self.first * 2 ** min(failures - 1, 32)))


class Child:
    """One program and the process that runs it now, if any."""

    def __init__(self, program: Program, log: RotatingFile) -> None:
        self.program = program
        self.log = log
        self.failures = 0
        self.was_ready = False
        self.start_at: float | None = None  # monotonic; set while it waits to be started again
        self._started_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process, until its end has been collected."""
        return self._process.pid if self._process else None

    def start(self) -> int:
        """Start the process, in a session of its own, and return its number; raises ``OSError``."""
        source, sink = os.pipe()
        try:
            self._process = subprocess.Popen(
                list(self.program.command),
                env=dict(self.program.environment),
                cwd=self.program.folder,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
                **self.program.popen_options,
            )
        except OSError:
            os.close(source)
            raise
        finally:
            os.close(sink)
        logs.pump(source, self.log, self.program.name)
        self.start_at, self._started_at = None, time.monotonic()
        return self._process.pid

    def has_ended(self) -> bool:
        """Say whether the process has ended, leaving it to be collected: until then its number stays its own."""
        process = self._process
        if process is None or process.returncode is not None:
            return True
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return process.poll() is not None
        try:
            return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:  # Another thread has just collected it.
            return True

    def collect(self) -> int:
        """Kill what an ended process left in its group, and return its exit code, negative for a signal."""
        assert self._process is not None
        guardian.kill_group(self._process.pid)
        code = self._process.wait()
        self._process = None
        return code

    def ran_for(self) -> float:
        """Return how long the process has been running, in seconds."""
        return time.monotonic() - self._started_at

    def is_ready(self) -> bool:
        """Say whether the process runs and does its work."""
        if self.has_ended():
            return False
        is_ready = self.program.is_ready is None or self.program.is_ready()
        self.was_ready = self.was_ready or is_ready
        return is_ready

    def target(self) -> guardian.Target:
        """Describe how the running process is to be ended."""
        assert self._process is not None
        program = self.program
        number = int(program.stop_signal)
        return guardian.Target(self._process.pid, program.rank, number, program.grace, program.urge_after)


def meaning_of(code: int) -> str:
    """Put an exit code into words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
