"""Robots whose processes are interfered with from inside: code that each of their Pythons runs before anything else."""

from __future__ import annotations

from pathlib import Path

DIES = """
import importlib, os, signal
module, _, name = os.environ["DIES_AT"].partition(":")
owner = importlib.import_module(module)
*outer, name = name.split(".")
for part in outer:
    owner = getattr(owner, part)
original, left = getattr(owner, name), [int(os.environ["DIES_AT_CALL"])]

def dying(*args, **kwargs):
    left[0] -= os.environ["DIES_ABOUT"] in str(args)
    if left[0] == 0 and os.environ["DIES"] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = original(*args, **kwargs)
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(owner, name, dying)
"""
CLOCKS = """
import os, time
steady, wall = time.clock_gettime, time.time

def offset(name):
    try:
        with open(os.path.join(os.environ["CLOCKS"], name)) as file:
            return float(file.read() or 0)
    except FileNotFoundError:
        return 0.0

time.clock_gettime = lambda clock: steady(clock) + offset("steady")
time.time = lambda: wall() + offset("wall")
"""


def dying(directory: Path, when: str, at: str, *, call: int = 1, about: str = "") -> dict[str, str]:
    """Variables of a robot that kills itself by SIGKILL.

    Args:
        directory: Where what makes it do so is kept.
        when: ``before`` or ``after`` that call.
        at: The function, as ``module:name``.
        call: Which of its calls, counted from 1.
        about: Only calls whose arguments hold this text count.
    """
    told = {"DIES": when, "DIES_AT": at, "DIES_AT_CALL": str(call), "DIES_ABOUT": about}
    return _customised(directory, DIES) | told


class Clocks:
    """The clocks of a robot and its supervisors, moved while they run."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.environ = _customised(directory, CLOCKS) | {"CLOCKS": str(directory)}

    def move(self, name: str, seconds: float) -> None:
        """Have ``steady`` or ``wall`` be so many seconds ahead of the true one."""
        staged = self._directory / f".{name}"
        staged.write_text(str(seconds))
        staged.replace(self._directory / name)


def _customised(directory: Path, code: str) -> dict[str, str]:
    directory.mkdir(exist_ok=True)
    (directory / "sitecustomize.py").write_text(code)
    return {"PYTHONPATH": str(directory)}
