"""Users of the machine: who may install a service, and whom it runs as."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from pathlib import Path


def may_administer() -> bool:
    """Say whether this process may change what belongs to the whole machine."""
    if sys.platform == "win32":
        return bool(ctypes.windll.shell32.IsUserAnAdmin())
    else:  # noqa: RET505 - what follows a branch of another system counts as unreachable there
        return os.geteuid() == 0


def knows_user(name: str) -> bool:
    """Say whether this machine has such a user. Windows asks by itself."""
    if sys.platform != "win32":
        import pwd

        try:
            pwd.getpwnam(name)
        except KeyError:
            return False
    return True


def hand_over(path: Path, user: str) -> None:
    """Give a file or directory, and no link's target, to a user. One that is not there is left out."""
    if sys.platform != "win32":
        import pwd

        owner = pwd.getpwnam(user)
        with contextlib.suppress(FileNotFoundError):
            os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)
