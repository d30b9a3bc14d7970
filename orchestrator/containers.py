"""What a container of each role runs, and how one sees from within that it does its work."""

from __future__ import annotations

import http.client
import os
import tempfile
from pathlib import Path
from typing import Final

from orchestrator.environment import given

ROLE: Final = "APP_ROLE"
HOST: Final = "0.0.0.0"  # A container has an address of its own, and says itself which of its ports are reached.
WEB_PORT: Final = 8000
LIVE_PORT: Final = 8001
ANSWER_SECONDS: Final = 5.0
#: Where the background roles show that they work.
READY_FILE: Final = Path(tempfile.gettempdir()) / "bv-ready"

COMMANDS: Final[dict[str, tuple[str, ...]]] = {
    "web": ("web", "--host", HOST, "--port", str(WEB_PORT)),
    "live": ("live", "--host", HOST, "--port", str(LIVE_PORT)),
    "worker": ("worker", "--ready-file", str(READY_FILE)),
    "beat": ("beat", "--ready-file", str(READY_FILE)),
    "migrate": ("migrate", "--noinput"),
}


class UnknownRole(Exception):
    """The environment names no role, or one that there is not."""


def role() -> str:
    """Return the role that this container has; raises ``UnknownRole``."""
    name = os.environ.get(ROLE, "")
    if name not in COMMANDS:
        found = f"is {name!r}" if name else "is not set"
        raise UnknownRole(f"{ROLE} {found}. Set it to one of {', '.join(COMMANDS)}.")
    return name


def is_well(name: str) -> bool:
    """Say whether the process of a role does its work. What it needs of others is no reason to start it again."""
    match name:
        case "web":
            return _answers(WEB_PORT, "/health/live")
        case "live":
            return _answers(LIVE_PORT, "/health")
        case "worker" | "beat":
            return READY_FILE.exists()
        case _:
            return True


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", path, headers={"Host": _host()})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _host() -> str:
    """Return a name by which this installation lets itself be called."""
    first = given("ALLOWED_HOSTS").partition(",")[0].strip().removeprefix(".")
    return first if first not in {"", "*"} else "localhost"
