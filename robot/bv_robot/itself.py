"""How the robot starts itself again: by its Python, or, where it is a single executable, by that."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path

SUPERVISE = "supervise"
"""The hidden command with which an executable is the supervisor of one job."""


def is_frozen() -> bool:
    """Say whether this is the single executable, which is no Python for others to use."""
    return bool(getattr(sys, "frozen", False))


def command(*arguments: str) -> list[str]:
    """The command line of another ``bv-robot``."""
    if is_frozen():
        return [sys.executable, *arguments]
    return [*_interpreter(), "-m", "bv_robot", *arguments]


def supervisor_command(execution: Path) -> list[str]:
    """The command line of the supervisor for the execution in this directory."""
    if is_frozen():
        return [sys.executable, SUPERVISE, str(execution)]
    return [*_interpreter(), "-m", "bv_robot.runner", str(execution)]


def _interpreter() -> list[str]:
    """The robot's own Python, told not to look for modules in the working directory."""
    return [sys.executable, "-P"]


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for another process of the robot, without the enrolment key."""
    passed = {name: value for name, value in environ.items() if name != "ORCHESTRATOR_API_KEY"}
    # An executable shares what it unpacked with those it starts, unless told not to; a supervisor outlives it.
    return passed | ({"PYINSTALLER_RESET_ENVIRONMENT": "1"} if is_frozen() else {})


def beside(name: str) -> Path | None:
    """A program that lies beside the executable; None where there is none, or this is none."""
    suffix = Path(sys.executable).suffix
    program = Path(sys.executable).with_name(f"{name}{suffix}")
    return program if is_frozen() and os.access(program, os.X_OK) else None


def undo_unpacking(environ: MutableMapping[str, str]) -> None:
    """Take back what unpacking an executable did to the variables that programs find their libraries by."""
    for variable in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LIBPATH"):
        former = environ.pop(f"{variable}_ORIG", None)
        if former is not None:
            environ[variable] = former
        elif is_frozen():
            environ.pop(variable, None)
