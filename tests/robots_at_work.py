"""Real robots for tests: ``bv-robot`` installed from ``robot/`` into an environment of its own, run as a process.

robot = robots_at_work.start(home=tmp_path, url=server.url, key=machine_key)
...
robot.stop()
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import uv

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "robot"
ENVIRONMENTS = ROOT / ".run" / "test-robots"
KEPT = 3
"""How many environments of earlier versions are kept."""


def command() -> Path:
    """The ``bv-robot`` of the working copy, installed as an operator would: built once, also under xdist."""
    return environment() / "bin" / "bv-robot"


def environment() -> Path:
    """A virtual environment with the robot in it, named by a hash of its sources."""
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    directory = ENVIRONMENTS / _hash_of_sources()
    with (ENVIRONMENTS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "complete").exists():
            _install(directory)
            _prune()
    return directory


def _hash_of_sources() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(SOURCES.rglob("*")):
        if path.suffix in {".py", ".toml", ".md"} and not {"build", "__pycache__"} & set(path.parts):
            digest.update(str(path.relative_to(SOURCES)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _install(directory: Path) -> None:
    binary = uv.find_uv_bin()
    shutil.rmtree(directory, ignore_errors=True)
    sources = directory.with_name(f"{directory.name}.sources")  # A build leaves files behind; not in the checkout.
    shutil.rmtree(sources, ignore_errors=True)
    shutil.copytree(SOURCES, sources, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    subprocess.run([binary, "venv", "--quiet", "--python", sys.executable, directory], check=True)
    python = directory / "bin" / "python"
    subprocess.run([binary, "pip", "install", "--quiet", "--python", python, sources], check=True)
    shutil.rmtree(sources)
    (directory / "complete").touch()


def _prune() -> None:
    finished = [path for path in ENVIRONMENTS.iterdir() if (path / "complete").exists()]
    for old in sorted(finished, key=lambda path: (path / "complete").stat().st_mtime)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def _prepare(largest_file: int | None) -> None:
    """Undo what a shell does to a command in the background: a robot leaves an interrupt ignored that it finds so."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))


@dataclass
class RunningRobot:
    """A ``bv-robot run`` and its home."""

    home: Path
    process: subprocess.Popen[bytes]
    output: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def lines(self) -> list[dict[str, Any]]:
        """What it said so far, one object per line."""
        told = []
        for line in self.output.read_text().splitlines():
            with contextlib.suppress(ValueError):
                told.append(json.loads(line))
        return told

    def messages(self) -> str:
        return "\n".join(str(line.get("message", line)) for line in self.lines())

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """``kill -9`` the listener; the supervisors of its jobs live on."""
        self.process.kill()
        self.process.wait()

    def wait(self, seconds: float = 30) -> int:
        """Wait for its end and return the exit code."""
        return self.process.wait(seconds)

    def stop(self, seconds: float = 30) -> int:
        """End it and its jobs now, in good order, and return the exit code."""
        if self.process.poll() is None:
            self.signal(signal.SIGINT)
        return self.wait(seconds)

    def supervisors(self) -> list[psutil.Process]:
        """The supervisors of this home's jobs, also those that an earlier listener started."""
        return [process for process in psutil.process_iter() if self._is_ours(process, "bv_robot.runner")]

    def wait_until(self, condition: Any, seconds: float = 20) -> None:
        """Wait until something is true; the limit only guards against hanging."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the robot said:\n{self.messages()}")
            time.sleep(0.02)

    def _is_ours(self, process: psutil.Process, module: str) -> bool:
        with contextlib.suppress(psutil.Error):
            line = process.cmdline()
            return module in line and any(str(self.home) in part for part in line)
        return False

    def end_everything(self) -> None:
        """For the end of a test: nothing of this robot is left running."""
        for process in [self.process, *self.supervisors()]:
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
                process.kill()
        self.process.wait()


def start(
    *,
    home: Path,
    url: str | None = None,
    key: str | None = None,
    name: str | None = None,
    flags: tuple[str, ...] = (),
    environ: Mapping[str, str] | None = None,
    largest_file: int | None = None,
) -> RunningRobot:
    """Start ``bv-robot run`` on a home; with ``url`` and ``key`` it enrols by itself. The caller ends it.

    Args:
        home: The robot's directory; the same one again is the same robot.
        environ: Variables beside those of the tests.
        largest_file: Bytes beyond which it can write no file, as on a full disk; its output is cut off as well.
    """
    given = {"--url": url, "--key": key, "--name": name, "--home": str(home)}
    options = [part for option, value in given.items() if value is not None for part in (option, value)]
    output = home.with_name(f"{home.name}.output")
    with output.open("ab") as said:
        process = subprocess.Popen(
            [command(), "run", *options, *flags],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env=clean_environ() | dict(environ or {}),
            start_new_session=True,
            preexec_fn=partial(_prepare, largest_file),
        )
    return RunningRobot(home, process, output)


@contextlib.contextmanager
def running(**given: Any) -> Iterator[RunningRobot]:
    """``start`` for the length of a ``with`` block; nothing of the robot is left afterwards."""
    robot = start(**given)
    try:
        yield robot
    finally:
        robot.end_everything()


def clean_environ() -> dict[str, str]:
    """The tests' environment without what would reach into a robot's own."""
    foreign = ("ORCHESTRATOR_", "BV_", "DJANGO_", "DATABASE_", "CELERY_", "PYTHON", "VIRTUAL_ENV", "COVERAGE")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


def run_command(
    *arguments: str, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run another ``bv-robot`` command to its end."""
    return subprocess.run(
        [command(), *arguments],
        env=clean_environ() | dict(environ or {}),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
