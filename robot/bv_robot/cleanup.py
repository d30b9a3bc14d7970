"""``bv-robot cleanup``: makes room in the caches by hand."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime

from bv_robot import config, pruning, telling
from bv_robot.config import Home
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
    usual = Limits.of(config.load(place, os.environ))
    limits = Limits(
        usual.unused_days if older_than is None else older_than, usual.most_bytes if max_size is None else max_size
    )
    pruned = pruning.prune(place, limits, is_dry_run=is_dry_run)
    for cached in pruned.removed:
        _tell(cached, "Would remove" if is_dry_run else "Removed")
    facts = {"removed": len(pruned.removed), "freed": pruned.freed, "left": pruned.left}
    freed = f"{readable(pruned.freed)} {'would be ' if is_dry_run else ''}freed"
    reason = "; what is left over the limit is in use" if pruned.left > limits.most_bytes else ""
    telling.say(f"{len(pruned.removed)} removed, {freed}, {readable(pruned.left)} left{reason}", **facts)


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
