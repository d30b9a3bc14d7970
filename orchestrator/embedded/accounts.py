"""The account under which PostgreSQL runs, our own or ``nobody`` when we are root, and the environment it sees."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Account:
    """A user and group of the operating system."""

    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        """Say whether this is another account than the one this process runs under."""
        return self.uid != os.geteuid()

    def give(self, path: Path) -> None:
        """Make this account the owner of ``path``."""
        if self.is_other:
            os.chown(path, self.uid, self.gid)

    def popen_options(self) -> dict[str, Any]:
        """Return what ``subprocess`` needs to start a program under this account."""
        if not self.is_other:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def database_account() -> Account:
    """Return the account for PostgreSQL, which refuses to run as root."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    import pwd  # Not on Windows, where this is never reached.

    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def server_environment() -> dict[str, str]:
    """Return the environment for the servers: no ``PG…`` of ours may change them, and no secret belongs there."""
    kept = ("PATH", "LD_LIBRARY_PATH", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C", "TZ": "UTC"}
