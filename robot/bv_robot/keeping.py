"""Working directories of jobs that failed: kept for a while, so that somebody can look at what is in them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bv_robot import moments, spool
from bv_robot.config import Config, Home

DAY = 24 * 3600.0


@dataclass(frozen=True)
class Keeping:
    """How long working directories are kept, and how much they may take.

    Attributes:
        days: From the end of a job; 0 to keep none.
        most_bytes: Of all together; the oldest go first.
    """

    days: float
    most_bytes: int

    @classmethod
    def of(cls, settings: Config) -> Keeping:
        return cls(settings.keep_failed_days, settings.keep_failed_bytes)


@dataclass(frozen=True)
class Kept:
    """The working directory of one execution that failed.

    Attributes:
        execution: Its id.
        job: The job's id.
        what: What it ran, for people.
        at: When it ended, in seconds of the wall clock.
        age: Seconds since then.
        size: Its bytes, when it ended.
        path: Where it lies.
        note: The file that says all this, without which a directory is not kept.
    """

    execution: str
    job: str
    what: str
    at: float
    age: float
    size: int
    path: Path
    note: Path


def note_of(home: Home, execution: str) -> Path:
    """The file that says that an execution's working directory is kept."""
    return home.kept / f"{execution}.json"


def keep(note: Path, work: Path, *, job: str, what: str, most_bytes: int) -> bool:
    """Note that a working directory is kept. False where it is larger than all of them together may be.

    Raises:
        OSError: when the disk does not take the note.
    """
    size = size_of(work)
    if size > most_bytes:
        return False
    spool.write_note(note, {"job": job, "what": what, "size": size, "path": str(work), **moments.now()})
    return True


def told_to_keep(order: Mapping[str, Any], work: Path, job: str) -> tuple[str, str]:
    """Keep a working directory as the listener ordered, and return what the job's log is to say, with its level."""
    most = order["most_bytes"]
    try:
        is_kept = keep(Path(order["note"]), work, job=job, what=order["what"], most_bytes=most)
    except OSError as error:
        return f"The working directory could not be kept: {error}", "WARN"
    if is_kept:
        return f"The working directory is kept for up to {order['days']} days (bv-robot kept): {work}", "INFO"
    return f"The working directory is larger than keep_failed_bytes ({most}), so it is not kept.", "WARN"


def size_of(directory: Path) -> int:
    """The bytes of the files in a directory; what goes away meanwhile does not count."""
    paths = (Path(parent, name) for parent, _, names in os.walk(directory) for name in names)
    return sum(map(_size, paths))


def _size(file: Path) -> int:
    try:
        return file.lstat().st_size
    except OSError:
        return 0


def contents(home: Home) -> list[Kept]:
    """Everything that is kept, the newest first."""
    return sorted(_contents(home), key=lambda kept: kept.age)


def _contents(home: Home) -> Iterator[Kept]:
    for note in home.kept.glob("*.json"):
        told = spool.read_note(note)
        try:
            yield Kept(
                execution=note.stem,
                job=str(told["job"]),
                what=str(told["what"]),
                at=float(told["at"]),
                age=moments.age(told),
                size=int(told["size"]),
                path=Path(told["path"]),
                note=note,
            )
        except (KeyError, TypeError, ValueError):  # Cut short by a crash: its directory goes with the next start.
            note.unlink(missing_ok=True)


def prune(home: Home, keeping: Keeping, *, is_dry_run: bool = False) -> list[Kept]:
    """Remove what is too old, and then the oldest until the rest fits; say what that was."""
    room, removed = keeping.most_bytes, []
    for kept in contents(home):
        room -= kept.size
        if kept.age > keeping.days * DAY or room < 0:
            removed.append(kept)
    for kept in removed:
        if not is_dry_run:
            _remove(kept)
    return removed


def _remove(kept: Kept) -> None:
    """First the note: a directory without one goes with the robot's next start, should we die in between."""
    kept.note.unlink(missing_ok=True)
    shutil.rmtree(kept.path, ignore_errors=True)
