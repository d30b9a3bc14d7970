"""``bv-robot cleanup``: makes room in the caches by hand."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bv_robot import config, pruning, telling
from bv_robot.config import Home
from bv_robot.pruning import Cached, Limits

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def parsed_size(text: str) -> int:
    """The bytes that ``500M``, ``10GiB`` or ``1.5 GB`` mean: always by powers of 1024."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", str(text).strip(), re.IGNORECASE)
    if not found:
        raise typer.BadParameter(f"{text!r} is no size; write it like 500M or 10G")
    return int(float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " "))


def cleanup(
    older_than: Annotated[
        float | None,
        typer.Option("--older-than", min=0, metavar="DAYS", help="Remove what was not used for so long."),
    ] = None,
    max_size: Annotated[
        int | None,
        typer.Option("--max-size", parser=parsed_size, metavar="SIZE", help="Remove more until the rest fits: 10G."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    home: Annotated[Path | None, typer.Option("--home", help="The robot's directory (BV_ROBOT_HOME).")] = None,
) -> None:
    """Remove cached environments and packages that no job needs, the longest unused first; also while it runs."""
    place = Home.at(home, os.environ)
    usual = Limits.of(config.load(place, os.environ))
    limits = Limits(
        usual.unused_days if older_than is None else older_than, usual.most_bytes if max_size is None else max_size
    )
    pruned = pruning.prune(place, limits, is_dry_run=dry_run)
    for cached in pruned.removed:
        _tell(cached, "Would remove" if dry_run else "Removed")
    facts = {"removed": len(pruned.removed), "freed": pruned.freed, "left": pruned.left}
    freed = f"{readable(pruned.freed)} {'would be ' if dry_run else ''}freed"
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
