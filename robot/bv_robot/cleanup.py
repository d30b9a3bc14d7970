"""``bv-robot cleanup`` and ``kept``: makes room by hand, and shows what failed jobs left."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime

from bv_robot import config, keeping, pruning, telling
from bv_robot.config import Home
from bv_robot.keeping import Keeping, Kept
from bv_robot.pruning import Cached, Limits

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def parsed_size(text: str) -> int:
    """The bytes that ``500M``, ``10GiB`` or ``1.5 GB`` mean: always by powers of 1024.

    Raises:
        ValueError: for anything else.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", str(text).strip(), re.IGNORECASE)
    if not found:
        raise ValueError(f"{text!r} is no size; write it like 500M or 10G")
    return int(float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " "))


def clean_up(place: Home, *, older_than: float | None, max_size: int | None, is_dry_run: bool) -> None:
    """Remove what no job needs, by the robot's settings or by the limits given (days, bytes), and say what it was."""
    settings = config.load(place, os.environ)
    usual = Limits.of(settings)
    limits = Limits(
        usual.unused_days if older_than is None else older_than, usual.most_bytes if max_size is None else max_size
    )
    pruned = pruning.prune(place, limits, is_dry_run=is_dry_run)
    days = settings.keep_failed_days if older_than is None else older_than
    given_up = keeping.prune(place, Keeping(days, settings.keep_failed_bytes), is_dry_run=is_dry_run)
    done = "Would remove" if is_dry_run else "Removed"
    for cached in pruned.removed:
        _tell(cached, done)
    for kept in given_up:
        _tell_of_kept(kept, done)
    removed, freed = len(pruned.removed) + len(given_up), pruned.freed + sum(kept.size for kept in given_up)
    freed_in_words = f"{readable(freed)} {'would be ' if is_dry_run else ''}freed"
    reason = "; what is left over the limit is in use" if pruned.left > limits.most_bytes else ""
    facts = {"removed": removed, "freed": freed, "left": pruned.left}
    telling.say(f"{removed} removed, {freed_in_words}, {readable(pruned.left)} left{reason}", **facts)


def show_kept(place: Home) -> None:
    """List the working directories of jobs that failed, the newest first."""
    found = keeping.contents(place)
    if not found:
        telling.say("No working directory of a failed job is kept", kept=[])
    for kept in found:
        facts = {"job": kept.job, "execution": kept.execution, "size": kept.size, "path": kept.path, "at": kept.at}
        telling.say(
            f"{_date(kept.at)}  {readable(kept.size):>9}  {kept.what}, job {kept.job}\n    {kept.path}", **facts
        )


def _date(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def _tell_of_kept(kept: Kept, done: str) -> None:
    told = f"{done} working directory of {kept.what}, job {kept.job}: {readable(kept.size)}, failed {_date(kept.at)}"
    telling.say(told, kind="working directory", key=kept.execution, size=kept.size)


def _tell(cached: Cached, done: str) -> None:
    used = f"last used {datetime.fromtimestamp(cached.used, UTC):%Y-%m-%d}" if cached.used else "never finished"
    told = f"{done} {cached.kind} {cached.key[:12]}: {readable(cached.size)}, {used}"
    telling.say(told, kind=cached.kind, key=cached.key, size=cached.size)


def readable(size: float) -> str:
    """A number of bytes for people."""
    for unit in UNITS[:-1]:
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.4g} {UNITS[-1]}"
