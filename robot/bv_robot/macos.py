"""What macOS alone says of the machine it runs on."""

from __future__ import annotations

import re
import subprocess


def boot_session() -> str:
    """A text that changes with every start of this machine; empty where it is not said."""
    return _said_by("sysctl", "-n", "kern.bootsessionuuid")


def platform_uuid() -> str:
    """The machine's own id; empty where it is not said."""
    return platform_uuid_in(_said_by("ioreg", "-rd1", "-c", "IOPlatformExpertDevice"))


def platform_uuid_in(said: str) -> str:
    """The machine's own id in what ``ioreg`` says."""
    found = re.search(r'"IOPlatformUUID" = "([0-9A-Fa-f-]{36})"', said)
    return found[1] if found else ""


def _said_by(*command: str) -> str:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()
