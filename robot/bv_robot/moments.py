"""When something was, noted so that its age stays right although somebody sets the clock of the machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from bv_robot import platforms


def now() -> dict[str, Any]:
    """This moment, for a note: ``at`` by the wall clock, for people, and by the clock that never jumps."""
    return {"at": time.time(), "steady": platforms.steady(), "boot": platforms.boot_id()}


def age(noted: Mapping[str, Any]) -> float:
    """Seconds since a moment was noted; by the wall clock only where the machine was started anew since."""
    if noted.get("boot") == platforms.boot_id():
        return platforms.steady() - float(noted["steady"])
    return time.time() - float(noted["at"])
