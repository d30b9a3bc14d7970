"""The robot's memory on disk: what it holds, what came of it, what was delivered. It survives ``kill -9``.

One directory per execution. Its files have one writer each, so nothing needs a lock between processes:

========================  ==========  ===============================================================================
``lease.json``            listener    the lease as granted, on disk before anything is done about it
``owner``                 whoever     made exclusively: by the supervisor that may run the job, or by a listener that
                          is first    gives it up. What has an owner is never started again
``environment.json``      listener    which environment it needs, so that it is not pruned
``launch.json``           listener    how to run it, with the job's own token
``control.json``          listener    what is asked of the supervisor, and until when the lease is ours
``state.json``            supervisor  CPU and memory, for the next sync
``channel/``              the job     ``progress.json``, ``answer.json``; in: ``parameters.json``, ``items.json``,
                                      ``cancelled``;
                                      ``artefacts/``: files to be stored, as long as they are not
``log.ndjson``            one at a    the log: first the listener while it prepares, then the supervisor
                          time
``in-memory``             supervisor  empty; the result is there, and waits for room on the disk
``result.json``           supervisor  what came of it, exactly as it will be reported
``delivery.json``         listener    the server's final answer
========================  ==========  ===============================================================================

Records that matter (lease, result, delivery, session) carry a checksum; one that does not match is quarantined.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bv_robot import moments, platforms
from bv_robot.platforms import ProcessIdentity

Record = dict[str, Any]


class CorruptRecord(Exception):
    """A record is not what was once written."""


class AlreadyRunning(Exception):
    """Another process works in this home."""


# Files


def write_file(path: Path, content: bytes) -> None:
    """Replace a file so that after any crash it is whole: the old one or the new one."""
    staged = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        platforms.replace(staged, path)
    except OSError:
        staged.unlink(missing_ok=True)
        raise
    platforms.sync_directory(path.parent)


def write_record(path: Path, record: Record) -> None:
    """Write a record with its checksum, durably."""
    text = json.dumps(record, sort_keys=True)
    write_file(path, json.dumps({"sha256": _sha256(text), "record": record}, sort_keys=True).encode())


def read_record(path: Path) -> Record | None:
    """Read a record, or None where there is none.

    Raises:
        CorruptRecord: when its checksum does not match.
    """
    try:
        whole = json.loads(path.read_bytes())
        record: Record = whole["record"]
        intact = whole["sha256"] == _sha256(json.dumps(record, sort_keys=True))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptRecord(f"{path}: {error}") from error
    if not intact:
        raise CorruptRecord(f"{path}: the checksum does not match")
    return record


def write_note(path: Path, note: Record) -> None:
    """Replace a small file that need not survive a power cut, only never be read half written."""
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    staged.unlink(missing_ok=True)
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w") as file:
        file.write(json.dumps(note))
    platforms.replace(staged, path)


def change_note(path: Path, note: Record) -> None:
    """Replace a note, or write over it where a full disk has no room for a second file."""
    try:
        write_note(path, note)
    except OSError:
        with path.open("r+b") as file:
            file.write(json.dumps(note).encode().ljust(path.stat().st_size))


def read_note(path: Path) -> Record:
    """Read a note; an empty one where it is missing or unreadable."""
    try:
        note = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# One execution


@dataclass(frozen=True)
class ExecutionFiles:
    """The files of one execution, for the listener and for its supervisor."""

    directory: Path

    @property
    def channel(self) -> Path:
        return self.directory / "channel"

    @property
    def artefacts(self) -> Path:
        return self.channel / "artefacts"

    @property
    def log(self) -> Path:
        return self.directory / "log.ndjson"

    @property
    def control(self) -> Path:
        return self.directory / "control.json"

    @property
    def state(self) -> Path:
        return self.directory / "state.json"

    @property
    def launch(self) -> Path:
        return self.directory / "launch.json"

    @property
    def environment(self) -> Path:
        return self.directory / "environment.json"

    @property
    def _in_memory(self) -> Path:
        return self.directory / "in-memory"

    @property
    def _owner(self) -> Path:
        return self.directory / "owner"

    def lease(self) -> Record:
        """The lease as granted, with what the robot noted about it.

        Raises:
            CorruptRecord: when it is missing or damaged.
        """
        record = read_record(self.directory / "lease.json")
        if record is None:
            raise CorruptRecord(f"{self.directory}: there is no lease")
        return record

    def is_blank(self) -> bool:
        """Say whether a crash came between making the directory and writing the lease: nothing was begun."""
        return not self.is_owned() and not any(self.directory.glob("*.json"))

    def result(self) -> Record | None:
        """What came of it, or None so far. Raises CorruptRecord."""
        return read_record(self.directory / "result.json")

    def is_in_memory(self) -> bool:
        """Say whether the result waits in the memory of a process until the disk takes it."""
        return self._in_memory.exists()

    def note_in_memory(self) -> None:
        """Leave word that the result is in memory: an empty file, for which a full disk mostly has room."""
        with contextlib.suppress(OSError):
            self._in_memory.touch()

    def has_result(self) -> bool:
        """Say whether anything came of it, damaged or not."""
        return (self.directory / "result.json").exists()

    def write_result(self, result: Record) -> None:
        write_record(self.directory / "result.json", result)
        self._in_memory.unlink(missing_ok=True)

    def delivery(self) -> Record | None:
        """The server's final answer, or None so far. Raises CorruptRecord."""
        return read_record(self.directory / "delivery.json")

    def is_delivered(self) -> bool:
        return (self.directory / "delivery.json").exists()

    def write_delivery(self, answer: str, *, epoch: int) -> None:
        """Remember that nothing more is owed for this execution."""
        delivery = {"answer": answer, "epoch": epoch, **moments.now()}
        write_record(self.directory / "delivery.json", delivery)

    def take_ownership(self, identity: ProcessIdentity | None) -> bool:
        """Become the one process that may run this job, or give it up (None). False when somebody was first.

        The file system decides: a complete file is given its name by a link, which fails where the name is taken.
        """
        staged = self.directory / f".owner.{secrets.token_hex(4)}"
        write_file(staged, json.dumps(asdict(identity) if identity else {}).encode())
        try:
            os.link(staged, self._owner)
        except FileExistsError:
            return False
        finally:
            staged.unlink()
        platforms.sync_directory(self.directory)
        return True

    def owner(self) -> ProcessIdentity | None:
        """The supervisor that took this execution, dead or alive; None where none is known."""
        try:
            return ProcessIdentity(**read_note(self._owner))
        except TypeError:
            return None

    def is_owned(self) -> bool:
        return self._owner.exists()


class Spool:
    """All executions this robot still has to do with, and its session's memory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.executions_directory = directory / "executions"
        self.quarantine = directory / "quarantine"
        self._removed = directory / "removed"
        for made in (self.executions_directory, self.quarantine, self._removed):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)

    def is_usable(self) -> bool:
        """Say whether a lease could be written down, as far as can be told without doing it."""
        return os.access(self.executions_directory, os.W_OK | os.X_OK) and self.executions_directory.is_dir()

    def add(self, record: Record) -> ExecutionFiles:
        """Write down a fresh lease. Nothing is done about a lease before this returns.

        Raises:
            OSError: when the disk does not take it.
        """
        files = ExecutionFiles(self.executions_directory / record["lease"]["execution"])
        files.channel.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_record(files.directory / "lease.json", record)
        platforms.sync_directory(self.executions_directory)
        return files

    def executions(self) -> Iterator[ExecutionFiles]:
        """Every execution on disk, oldest directory name first."""
        for directory in sorted(self.executions_directory.iterdir()):
            if directory.is_dir():
                yield ExecutionFiles(directory)

    def set_aside(self, files: ExecutionFiles, why: str) -> Path:
        """Move a damaged or unwelcome execution into quarantine, where an operator finds it, and note why."""
        target = self.quarantine / f"{files.directory.name}-{secrets.token_hex(3)}"
        files.directory.rename(target)
        platforms.sync_directory(self.quarantine)
        with contextlib.suppress(OSError):  # On a full disk the log alone says why.
            write_note(target / "why.json", {"why": why, "at": time.time()})
        return target

    def set_artefact_aside(self, files: ExecutionFiles, description: Path, why: str) -> Path:
        """Move one damaged file of an execution into quarantine, with its description, and note why."""
        target = self.quarantine / f"{files.directory.name}-artefact-{description.stem}-{secrets.token_hex(3)}"
        target.mkdir(mode=0o700)
        description.rename(target / description.name)
        data = description.with_suffix(".data")
        if data.exists():
            data.rename(target / data.name)
        with contextlib.suppress(OSError):  # On a full disk the log alone says why.
            write_note(target / "why.json", {"why": why, "at": time.time()})
        return target

    def quarantined(self) -> list[Record]:
        """What lies in quarantine: each record's ``path``, and ``why`` it does where that could be noted."""
        return [
            {"path": str(path), "why": str(read_note(path / "why.json").get("why") or "it is damaged")}
            for path in sorted(self.quarantine.iterdir())
        ]

    def has_quarantined(self) -> bool:
        """Say whether anything lies in quarantine."""
        return any(True for _ in self.quarantine.iterdir())

    def remove(self, files: ExecutionFiles) -> None:
        """Forget an execution, as a whole: after a crash half a record would look like a damaged one."""
        files.directory.rename(self._removed / f"{files.directory.name}-{secrets.token_hex(3)}")
        self.empty_bin()

    def empty_bin(self) -> None:
        """Delete what was removed, also by a process that died over it."""
        for removed in self._removed.iterdir():
            shutil.rmtree(removed, ignore_errors=True)

    def session(self) -> Record:
        """The resume secret and the highest epoch and tick seen. A damaged memory is set aside and starts anew."""
        path = self.directory / "session.json"
        try:
            return read_record(path) or {}
        except CorruptRecord:
            path.rename(self.quarantine / f"session-{secrets.token_hex(3)}.json")
            return {}

    def forget_session(self) -> None:
        (self.directory / "session.json").unlink(missing_ok=True)

    def write_session(self, record: Record) -> None:
        write_record(self.directory / "session.json", record)


TAKE_WITHIN = 1.0
"""Seconds for which a held home is tried again: who only looks whether a robot runs holds it for a moment."""


def _locked_within(seconds: float, descriptor: int) -> bool:
    deadline = platforms.steady() + seconds
    while not platforms.try_lock(descriptor):
        if platforms.steady() >= deadline:
            return False
        time.sleep(0.02)
    return True


class HomeLock:
    """The exclusive hold on a home: one listener at a time, for as long as its process lives."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self) -> None:
        """Hold the home until the process ends.

        Raises:
            AlreadyRunning: when another listener holds it.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if not _locked_within(TAKE_WITHIN, descriptor):
            holder = os.read(descriptor, 32).decode(errors="replace").strip()
            os.close(descriptor)
            raise AlreadyRunning(
                f"another bv-robot already runs in {self._path.parent} (process {holder or 'unknown'})"
            )
        self._descriptor = descriptor
        with contextlib.suppress(OSError):  # The disk is full; the lock counts, the number is for people.
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())

    def is_held(self) -> bool:
        """Say whether some listener, perhaps in another process, holds the home now."""
        if self._descriptor is not None:
            return True
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            return not platforms.try_lock(descriptor)
        finally:
            os.close(descriptor)
