"""What is to become a service, and what can stand in its way."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from bv_robot.config import Home


class NotPossible(Exception):
    """The service cannot be made, or removed, here. The message says why, and what to do."""


@dataclass(frozen=True)
class Wanted:
    """A robot, or several, to be run by the machine.

    Attributes:
        home: Where the robot lives.
        command: What is to be run.
        label: What the machine calls the service.
        is_of_system: Whether it starts with the machine; else with its user's session.
        run_as: Whose name a service of the system runs in.
        stop_within: Seconds in which jobs may be finished when the service is to end.
    """

    home: Home
    command: Sequence[str]
    label: str
    is_of_system: bool
    run_as: str
    stop_within: int


def label_of(names: Sequence[str]) -> str:
    """A name for the service: ``bv-robot``, with the robot's where one is given, so that one machine has room for more.

    Raises:
        NotPossible: when the name cannot be part of a file's.
    """
    if len(names) != 1:
        return "bv-robot"
    if not re.fullmatch(r"\w[\w.-]*", names[0]):
        raise NotPossible(f"--name {names[0]!r}: for a service use letters, digits and . - _ only")
    return f"bv-robot-{names[0]}"


def ran(command: Sequence[str]) -> None:
    """Run a command of the machine to its end.

    Raises:
        NotPossible: when there is no such program, or it fails; in its own words.
    """
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError as error:
        raise NotPossible(f"{command[0]} cannot be run: {error.strerror}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise NotPossible(f"{' '.join(command)}: {said}")
