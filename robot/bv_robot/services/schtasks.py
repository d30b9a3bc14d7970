"""The robot as a scheduled task of Windows: at logon, for a session with a desktop, or at the start of the machine.

A service of Windows has no desktop, so what automates one must run as a task of the user who is logged on.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from bv_robot.services.wanted import Wanted

NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"
LOCAL_SERVICE = "S-1-5-19"

SETTINGS = {
    "MultipleInstancesPolicy": "IgnoreNew",
    "DisallowStartIfOnBatteries": "false",
    "StopIfGoingOnBatteries": "false",
    "AllowHardTerminate": "true",
    "StartWhenAvailable": "true",
    "RunOnlyIfNetworkAvailable": "false",
    "Enabled": "true",
    "ExecutionTimeLimit": "PT0S",
    "Priority": "7",
}


def unit(wanted: Wanted) -> str:
    """The task's definition, as ``schtasks /Create /XML`` takes it."""
    task = ElementTree.Element("Task", {"version": "1.2", "xmlns": NAMESPACE})
    _add(task, "RegistrationInfo", {"Description": "bv-robot, which runs jobs of BV Orchestrator"})
    own = {} if wanted.is_of_system else {"UserId": wanted.run_as}
    _add(
        _add(task, "Triggers", {}), "BootTrigger" if wanted.is_of_system else "LogonTrigger", {"Enabled": "true"} | own
    )
    principal = _add(_add(task, "Principals", {}), "Principal", _principal(wanted))
    principal.set("id", "Author")
    settings = _add(task, "Settings", SETTINGS)
    _add(settings, "RestartOnFailure", {"Interval": "PT1M", "Count": "999"})
    actions = _add(task, "Actions", {})
    actions.set("Context", "Author")
    _add(actions, "Exec", _action(wanted))
    ElementTree.indent(task)
    return f'<?xml version="1.0" encoding="UTF-16"?>\n{ElementTree.tostring(task, encoding="unicode")}\n'


def _add(parent: ElementTree.Element, name: str, values: dict[str, str]) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, name)
    for key, value in values.items():
        ElementTree.SubElement(element, key).text = value
    return element


def _principal(wanted: Wanted) -> dict[str, str]:
    if wanted.is_of_system:
        return {"UserId": LOCAL_SERVICE, "RunLevel": "LeastPrivilege"}
    return {"UserId": wanted.run_as, "LogonType": "InteractiveToken", "RunLevel": "LeastPrivilege"}


def _action(wanted: Wanted) -> dict[str, str]:
    program, *arguments = wanted.command
    return {
        "Command": program,
        "Arguments": subprocess.list2cmdline(arguments),
        "WorkingDirectory": str(wanted.home.root),
    }


def path_of(wanted: Wanted) -> Path:
    """Where the definition is kept; Windows copies it."""
    return wanted.home.root / f"{wanted.label}.xml"


def check(wanted: Wanted) -> None:
    """Nothing stands in the way: every Windows has a task scheduler."""


def after_writing(wanted: Wanted) -> Sequence[list[str]]:
    """The commands that have Windows take the definition, and start it."""
    return [
        ["schtasks", "/Create", "/F", "/TN", wanted.label, "/XML", str(path_of(wanted))],
        ["schtasks", "/Run", "/TN", wanted.label],
    ]


def before_removing(wanted: Wanted) -> Sequence[list[str]]:
    """The commands that end the task and have Windows forget it."""
    return [["schtasks", "/End", "/TN", wanted.label], ["schtasks", "/Delete", "/F", "/TN", wanted.label]]


def after_removing(wanted: Wanted) -> Sequence[list[str]]:
    """Nothing is left to do."""
    return []
