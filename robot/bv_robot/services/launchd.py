"""The robot as an agent or daemon of launchd, on macOS."""

from __future__ import annotations

import os
import plistlib
from collections.abc import Sequence
from pathlib import Path

from bv_robot.services.wanted import Wanted

PREFIX = "org.bv."


def unit(wanted: Wanted) -> str:
    """The property list's text."""
    home = wanted.home.root
    listed: dict[str, object] = {
        "Label": PREFIX + wanted.label,
        "ProgramArguments": list(wanted.command),
        "WorkingDirectory": str(home),
        "RunAtLoad": True,
        "KeepAlive": True,
        "ThrottleInterval": 5,
        "ExitTimeOut": wanted.stop_within,
        # Otherwise launchd ends the jobs together with the robot, which is to finish them.
        "AbandonProcessGroup": True,
        "ProcessType": "Interactive",
        "Umask": 0o077,
        "StandardOutPath": str(home / "service.log"),
        "StandardErrorPath": str(home / "service.log"),
    }
    if wanted.is_of_system:
        listed["UserName"] = wanted.run_as
    return plistlib.dumps(listed).decode()


def path_of(wanted: Wanted) -> Path:
    """Where the property list lies."""
    directory = Path("/Library/LaunchDaemons") if wanted.is_of_system else Path.home() / "Library" / "LaunchAgents"
    return directory / f"{PREFIX}{wanted.label}.plist"


def check(wanted: Wanted) -> None:
    """Nothing stands in the way: every macOS has launchd."""


def after_writing(wanted: Wanted) -> Sequence[list[str]]:
    """The commands that have launchd take a new property list; a service of that name was removed before."""
    return [["launchctl", "bootstrap", _domain(wanted), str(path_of(wanted))]]


def before_removing(wanted: Wanted) -> Sequence[list[str]]:
    """The commands that end the service; its jobs are finished first."""
    return [["launchctl", "bootout", f"{_domain(wanted)}/{PREFIX}{wanted.label}"]]


def after_removing(wanted: Wanted) -> Sequence[list[str]]:
    """Nothing is left to do."""
    return []


def _domain(wanted: Wanted) -> str:
    return "system" if wanted.is_of_system else f"gui/{os.getuid() if hasattr(os, 'getuid') else 0}"
