"""For authors of automations: what a running job may ask of its robot and tell it.

Standard library only, so that it works in any job's environment. Outside a robot everything is quiet:
progress goes nowhere, nothing is cancelled, there are no parameters.
"""

from __future__ import annotations

import json
import os
from typing import Any

_CHANNEL = "BV_JOB_CHANNEL"


def parameters() -> dict[str, Any]:
    """Return the job's parameters."""
    directory = os.environ.get(_CHANNEL)
    if not directory:
        return {}
    with open(os.path.join(directory, "parameters.json"), encoding="utf-8") as file:
        values: dict[str, Any] = json.load(file)
    return values


def is_cancelled() -> bool:
    """Say whether somebody asked this job to end. Look now and then, tidy up, and return."""
    directory = os.environ.get(_CHANNEL)
    return bool(directory) and os.path.exists(os.path.join(str(directory), "cancelled"))


def progress(percent: float | None = None, step: str | None = None, message: str | None = None) -> None:
    """Tell how far the job is: ``percent`` from 0 to 100, the name of the step, a sentence. The latest counts."""
    directory = os.environ.get(_CHANNEL)
    if not directory:
        return
    told = {"percent": percent, "step": step, "message": message}
    path = os.path.join(directory, "progress.json")
    staged = f"{path}.{os.getpid()}"
    with open(staged, "w", encoding="utf-8") as file:
        json.dump({name: value for name, value in told.items() if value is not None}, file, default=str)
    os.replace(staged, path)
