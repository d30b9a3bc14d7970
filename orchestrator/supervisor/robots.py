"""Robots of the system's own: their virtual environment, their enrolment, the programs that run them."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from orchestrator import embedded
from orchestrator.supervisor import programs
from orchestrator.supervisor.children import Program
from orchestrator.supervisor.progress import Progress
from orchestrator.supervisor.supervisor import NotReady, Supervisor

SOURCES = embedded.CHECKOUT / "robot"
ENROLLED_AT = "enrolled-at"


class Robots:
    """The robots that run beside an orchestrator on the same machine."""

    def __init__(self, data_dir: Path, url: str, supervisor: Supervisor) -> None:
        self._venv = data_dir / "robot-venv"
        self._homes = data_dir / "robots"
        self._url = url
        self._supervisor = supervisor

    @property
    def executable(self) -> Path:
        """The robot's own command."""
        return self._venv / "bin" / "bv-robot"

    def build(self) -> None:
        """Make the robots' virtual environment, where its sources or the interpreter have changed since."""
        stamp = self._venv / ".bv-stamp"
        wanted = _hash_of(SOURCES)
        if self.executable.exists() and stamp.exists() and stamp.read_text() == wanted:
            return
        with Progress("the robot's environment", self._supervisor.say):
            self._build_by_uv_or_pip()
        stamp.write_text(wanted)

    def enroll(self, name: str, manage: Callable[..., str]) -> None:
        """Enrol a robot of this name, unless it already is, at this address."""
        mark = self._home(name) / ENROLLED_AT
        if mark.exists() and mark.read_text() == self._url:
            return
        self._home(name).mkdir(mode=0o700, parents=True, exist_ok=True)
        command = [str(self.executable), "enroll", self._url, "--name", name, "--home", str(self._home(name))]
        # Not as an argument: those are for all to see.
        environment = _environment() | {"ORCHESTRATOR_API_KEY": self._key(manage)}
        self._supervisor.run(Program("robot-set-up", command, environment))
        mark.write_text(self._url)

    def program(self, name: str) -> Program:
        """Return the program that runs an enrolled robot."""
        return Program(
            name,
            [str(self.executable), "run", "--home", str(self._home(name))],
            _environment(),
            rank=programs.ROBOT_RANK,
            grace=programs.ROBOT_GRACE,
            urge_after=programs.ROBOT_URGED_AFTER,
        )

    def _home(self, name: str) -> Path:
        return self._homes / name

    def _key(self, manage: Callable[..., str]) -> str:
        """Return the key of this machine, asked for once: asking again would end what robots it has."""
        path = self._homes / "machine-key"
        if not path.exists():
            key = new_machine_key(manage)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(key)
        return path.read_text()

    def _build_by_uv_or_pip(self) -> None:
        uv = Path(sys.executable).with_name("uv")
        python = str(self._venv / "bin" / "python")
        try:
            self._step(str(uv), "venv", "--quiet", "--clear", "--seed", "--python", sys.executable, str(self._venv))
            self._step(str(uv), "pip", "install", "--quiet", "--python", python, str(SOURCES))
        except NotReady:
            self._supervisor.say("  uv failed; trying pip instead, which knows its own mirrors")
            shutil.rmtree(self._venv, ignore_errors=True)
            self._step(sys.executable, "-m", "venv", str(self._venv))
            self._step(python, "-m", "pip", "install", "--quiet", str(SOURCES))

    def _step(self, *command: str) -> None:
        self._supervisor.run(Program("robot-set-up", command, dict(os.environ)))


def new_machine_key(manage: Callable[..., str]) -> str:
    """Register this machine with the orchestrator and return its enrolment key."""
    return manage("create_machine", socket.gethostname(), "--oldest-tenant", "--print-key").strip().splitlines()[-1]


def _hash_of(sources: Path) -> str:
    digest = hashlib.sha256(sys.version.encode())
    for path in [sources / "pyproject.toml", *sorted((sources / "bv_robot").rglob("*.py"))]:
        digest.update(os.fsencode(path.relative_to(sources)) + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _environment() -> dict[str, str]:
    """Return the robot's environment: it is a stranger here, and gets none of the orchestrator's secrets."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ}
