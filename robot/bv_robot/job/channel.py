"""The directory through which a job and its robot talk, and the way into the job's log."""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import Any

_CHANNEL = "BV_JOB_CHANNEL"
_LEVELS = {"TRACE": 5, "DEBUG": 10, "INFO": 20, "WARN": 30, "ERROR": 40}
_OTHER_NAMES = {"WARNING": "WARN", "CRITICAL": "ERROR", "FATAL": "ERROR"}


def directory() -> str | None:
    """Where the channel of this job lies; None outside a robot."""
    return os.environ.get(_CHANNEL) or None


def connection() -> Any:
    """What the robot left in the memory of the job's own process; None in any other."""
    return sys.modules.get("bv_robot_connection")


def parameters() -> dict[str, Any]:
    """Return the job's parameters."""
    place = directory()
    if not place:
        return {}
    with open(os.path.join(place, "parameters.json"), encoding="utf-8") as file:
        values: dict[str, Any] = json.load(file)
    return values


def owned_items() -> list[dict[str, Any]]:
    """Return what the job was told of the items it owns."""
    path = os.path.join(directory() or "", "items.json")
    if not directory() or not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        told: list[dict[str, Any]] = json.load(file)["items"]
    return told


def is_cancelled() -> bool:
    """Say whether somebody asked this job to end. Look now and then, tidy up, and return."""
    place = directory()
    return bool(place) and os.path.exists(os.path.join(str(place), "cancelled"))


def progress(percent: float | None = None, step: str | None = None, message: str | None = None) -> None:
    """Tell how far the job is: ``percent`` from 0 to 100, the name of the step, a sentence. The latest counts."""
    place = directory()
    if not place:
        return
    told = {"percent": percent, "step": step, "message": message}
    write_json(os.path.join(place, "progress.json"), {name: value for name, value in told.items() if value is not None})


def log(message: object, /, level: str = "INFO", **fields: Any) -> None:
    """Write a line into the job's log, with fields by which it can be found and read by programs.

    Args:
        message: What happened. Of several lines, each is one of the log's.
        level: TRACE, DEBUG, INFO, WARN or ERROR; all of them are kept. What is none of these counts as INFO.
        fields: Anything JSON knows; what it does not know is written as text.
    """
    known = _OTHER_NAMES.get(level.upper(), level.upper())
    known = known if known in _LEVELS else "INFO"
    robot = connection()
    if robot is not None:
        robot.tell(str(message), known, fields)
    else:
        told = f" {json.dumps(fields, default=str)}" if fields else ""
        logging.getLogger("bv_robot.job").log(_LEVELS[known], "%s%s", message, told)


def write_json(path: str, content: dict[str, Any]) -> None:
    """Replace a file so that nobody ever reads half of it."""
    staged = f"{path}.{os.getpid()}"
    with open(staged, "w", encoding="utf-8") as file:
        json.dump(content, file, default=str)
    os.replace(staged, path)
