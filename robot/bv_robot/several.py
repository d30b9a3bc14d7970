"""Several robots on one machine: how they are called, and where each has its home."""

from __future__ import annotations

import platform
import re

from bv_robot import config, spool
from bv_robot.config import Config, ConfigError, Home
from bv_robot.spool import HomeLock

MOST = 64
"""Robots that one machine may run from one home."""
SPEAKING = re.compile(r"[^\W_][\w.@ -]{0,127}")
"""Names that are also good names of directories, everywhere."""


def names_of(settings: Config) -> list[str]:
    """The names of several robots, as they are set; empty where the home is that of one robot.

    Raises:
        ConfigError: when they cannot be names, or are too many.
    """
    wanted = settings.robots
    if len(wanted) == 1 and wanted[0].isdigit():
        base = settings.name or platform.node() or "robot"
        count = int(wanted[0])
        wanted = [f"{base}-{number}" for number in range(1, min(count, MOST + 1) + 1)] if count > 1 else []
    if len(wanted) > MOST:
        raise ConfigError(f"robots: more than {MOST}; use slots, which let one robot run several jobs at once")
    for name in wanted:
        if not SPEAKING.fullmatch(name) or name.endswith((".", " ")):
            raise ConfigError(f"robots: {name!r} cannot be a name; use letters, digits and . @ - _")
    if len({name.casefold() for name in wanted}) < len(wanted):
        raise ConfigError(f"robots: the names {', '.join(wanted)} are not all different")
    return wanted


def homes(home: Home, name: str | None = None) -> list[Home]:
    """The homes of all robots here, or of the one called ``name``.

    Raises:
        ConfigError: when no robot is called so.
    """
    members, own = home.members, config.read_identity(home)
    if name is None:
        return members if members and own is None else [home, *members]
    if own is not None and own.name == name:
        return [home]
    found = [member for member in members if member.root.name == name]
    if not found:
        known = [member.root.name for member in members] + ([own.name] if own else [])
        raise ConfigError(f"No robot in {home.root} is called {name}; there are: {', '.join(known) or 'none'}")
    return found


def name_of(home: Home) -> str:
    """What a robot among several is called, for people; empty for the one of its home."""
    return home.root.name if home.is_one_of_several else ""


def keeper(home: Home) -> int | None:
    """The process that keeps several robots below ``home``; None where none does."""
    if not (home.several_lock_file.exists() and HomeLock(home.several_lock_file).is_held()):
        return None
    return int(spool.read_note(home.several_file).get("pid") or 0)


def is_kept(home: Home) -> bool:
    """Say whether a robot among several runs, or is to be started again in a moment."""
    above = Home(home.caches)
    if not home.is_one_of_several or keeper(above) is None:
        return False
    return spool.read_note(above.several_file).get("robots", {}).get(home.root.name) in {"running", "waiting"}
