"""Keeping the caches small: environments and packages that no execution needs go, the longest unused first."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bv_robot import environments, keeping, locks, platforms, spool
from bv_robot.config import Config, Home
from bv_robot.desk import Desk
from bv_robot.keeping import Keeping
from bv_robot.packages import fetching
from bv_robot.spool import CorruptRecord, ExecutionFiles, Spool

log = logging.getLogger("bv_robot")

DAY = 24 * 3600.0


@dataclass(frozen=True)
class Limits:
    """What the caches may hold: nothing unused for longer than this, and together no more bytes than that."""

    unused_days: float
    most_bytes: int

    @classmethod
    def of(cls, settings: Config) -> Limits:
        return cls(settings.cache_unused_days, settings.cache_most_bytes)


@dataclass(frozen=True)
class Cached:
    """One environment or package of the caches, or what a crash left of one.

    Attributes:
        kind: ``environment`` or ``package``, for people.
        key: What an execution names it by.
        path: Where it lies.
        lock: Held by whoever makes it, and by whoever removes it.
        used: When it was last used, in seconds of the wall clock; 0 where it was never finished.
        size: Its bytes.
    """

    kind: str
    key: str
    path: Path
    lock: Path
    used: float
    size: int


@dataclass(frozen=True)
class Pruned:
    """What was removed, in this order, and how many bytes are left in the caches."""

    removed: list[Cached]
    left: int

    @property
    def freed(self) -> int:
        return sum(cached.size for cached in self.removed)


class _InUse(Exception):
    """Somebody makes it, or is about to use it."""


def prune_daily(desk: Desk) -> None:
    """Prune at once and then once a day, until the listener ends."""
    while not desk.ended.is_set():
        try:
            pruned = prune(desk.home, Limits.of(desk.config))
            keeping.prune(desk.home, Keeping.of(desk.config))
        except OSError as error:
            log.error("The caches cannot be pruned; this is tried again tomorrow: %s", error)
        else:
            _tell(pruned)
        desk.ended.wait(DAY)


def _tell(pruned: Pruned) -> None:
    if pruned.removed:
        log.info("Removed %s unused from the caches, %s bytes", len(pruned.removed), pruned.freed)


def prune(home: Home, limits: Limits, *, is_dry_run: bool = False) -> Pruned:
    """Remove what is too old, and then the longest unused until the rest fits. What is in use stays."""
    cached = sorted(contents(home), key=lambda each: each.used)
    oldest = time.time() - limits.unused_days * DAY
    left = sum(each.size for each in cached)
    removed = []
    for each in cached:
        is_unwanted = each.used < oldest or left > limits.most_bytes
        if is_unwanted and _remove(home, each, is_dry_run=is_dry_run):
            removed.append(each)
            left -= each.size
    return Pruned(removed, left)


def contents(home: Home) -> Iterator[Cached]:
    """Everything in the caches of a home, in no order."""
    for directory in _entries(home.environments):
        if directory.is_dir():
            used = environments.last_use(directory)
            lock = environments.lock_of(directory)
            yield Cached("environment", directory.name, directory, lock, used, _size_of(directory))
    for file in _entries(home.packages):
        if sha256 := fetching.hash_in_name(file):
            is_whole = file == fetching.path_of(home.packages, sha256)
            used, size = _file_facts(file)
            lock = fetching.lock_of(home.packages, sha256)
            yield Cached("package", sha256, file, lock, used if is_whole else 0.0, size)


def _entries(directory: Path) -> list[Path]:
    return list(directory.iterdir()) if directory.is_dir() else []


def _size_of(directory: Path) -> int:
    return sum(_file_facts(Path(parent, name))[1] for parent, _, names in os.walk(directory) for name in names)


def _file_facts(file: Path) -> tuple[float, int]:
    """When it was changed, and its size; nothing where it has just gone."""
    try:
        facts = file.lstat()
    except FileNotFoundError:
        return 0.0, 0
    return facts.st_mtime, facts.st_size


def _remove(home: Home, cached: Cached, *, is_dry_run: bool) -> bool:
    """Remove one thing unless it is in use. False where it stays."""
    try:
        with locks.held(cached.lock, pause=_give_up):
            # Whoever is to use it says so in the spool before letting go of this lock.
            if not cached.path.exists() or cached.key in needed(home):
                return False
            if not is_dry_run:
                _delete(cached.path)
    except _InUse:
        return False
    except OSError as error:
        log.warning("%s cannot be removed: %s", cached.path, error)
        return False
    return True


def _give_up() -> None:
    raise _InUse


def _delete(path: Path) -> None:
    if path.is_dir():
        environments.spoil(path)  # First, so that half of it is never taken for a whole one.
        shutil.rmtree(path)
    else:
        path.unlink()


def needed(home: Home) -> set[str]:
    """The keys of everything that an execution may still use: those not answered for, and those that still run.

    Of several robots that share the caches each counts.
    """
    shared = Home(home.caches)
    spools = [place.spool for place in (shared, *shared.members) if place.spool.is_dir()]
    return {key for spool_directory in spools for key in _needed_by(Spool(spool_directory))}


def _needed_by(memory: Spool) -> set[str]:
    unanswered = {files for files in memory.executions() if not files.is_delivered()}
    known = [*memory.executions(), *map(ExecutionFiles, memory.quarantine.iterdir())]
    running = {files for files in known if (owner := files.owner()) and platforms.still_runs(owner)}
    return {key for files in unanswered | running for key in _named_by(files)}


def _named_by(files: ExecutionFiles) -> Iterator[str]:
    if environment := spool.read_note(files.environment).get("key"):
        yield str(environment)
    if python := spool.read_note(files.launch).get("python"):  # One that an earlier version of the robot launched.
        yield Path(python).parent.parent.name
    try:
        package = files.lease()["lease"].get("package")
    except CorruptRecord:  # Such a job can only have begun already, and then its package is unpacked.
        return
    if package:
        yield str(package["sha256"])
