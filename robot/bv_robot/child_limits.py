"""What a job's process does to itself so that it, and all it will start, stays within its limits.

Run by its path from ``child.py``, so the same holds: standard library only, and nothing newer than Python 3.8.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any


def confine(limits: dict[str, Any]) -> list[str]:
    """Put this process, and all it will start, under its limits, and say which of them this system refuses."""
    if os.name == "nt":  # The supervisor does what is possible there.
        return []
    system: Any = os  # Not each has every one of these.
    steps: tuple[tuple[Any, str, Callable[[Any], Any]], ...] = (
        (limits["group"], "its control group", join_group),
        (limits["nice"], "its priority", system.nice),
        (limits["processors"], "its processors", lambda chosen: system.sched_setaffinity(0, chosen)),
        (limits["most_data"], "its memory", limit_data),
        (True, "core files as told", lambda _: limit("RLIMIT_CORE", None if limits["keeps_cores"] else 0)),
    )
    refused = []
    for wanted, what, act in steps:
        try:
            if wanted:
                act(wanted)
        except (OSError, ValueError) as error:
            refused.append(f"This system does not let the job have {what}: {error}")
    return refused


def join_group(members: str) -> None:
    with open(members, "w", encoding="ascii") as file:
        file.write("0")


def limit_data(most: int) -> None:
    if sys.platform == "linux":  # Elsewhere it does not count what programs map, so it would keep nothing in bounds.
        limit("RLIMIT_DATA", most)


def limit(name: str, most: int | None) -> None:
    """Set a limit of this process, or lift it (None) as far as its user may; never beyond one that is in force."""
    resource: Any = importlib.import_module("resource")  # Windows has no such module.
    kind = getattr(resource, name)
    known = resource.getrlimit(kind)[1]
    if most is None or (most > known and known != resource.RLIM_INFINITY):
        most = known
    resource.setrlimit(kind, (most, most))
