"""``bv-robot logs``: the log of an execution as plain lines, from the spool, whether or not a robot runs."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bv_robot import several, telling
from bv_robot.config import Home
from bv_robot.spool import CorruptRecord, ExecutionFiles, Record, Spool

LOOK_EVERY = 0.2
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
"""What could move the cursor of a terminal, or worse. A job may print anything."""
KNOWN_SHOWN = 10
"""How many jobs are named where the one asked for is not there."""


class NoLog(Exception):
    """There is no log to show. The message says why, and what to do."""


def show(home: Home, *, job: str | None, is_followed: bool, name: str | None = None) -> None:
    """Print the log of a job's last execution here, or of the newest one.

    Args:
        name: Which of several robots ran it; None for whichever did.
        job: The id of a job or of an execution; None for the newest execution.
        is_followed: Whether to go on with each new line until the execution has ended.

    Raises:
        NoLog: when there is no such execution, or it has not written anything.
        ConfigError: when no robot is called so.
    """
    files = _chosen(home, job, several.homes(home, name))
    is_empty = True
    for line in _followed(files) if is_followed else _lines(files.log, 0):
        telling.console.file.write(plain(line) + "\n")
        telling.console.file.flush()
        is_empty = False
    if is_empty:
        raise NoLog(f"Execution {files.directory.name} has written nothing yet; wait for its first line by --follow")


def plain(line: bytes) -> str:
    """A line of a log as a person reads it: time, level, text, and its fields behind it."""
    try:
        entry: Record = json.loads(line)
        words = [entry["t"], f"{entry['l']:<5}", entry["m"], *_fields(entry.get("f", {}))]
    except (ValueError, KeyError, TypeError, AttributeError):  # Damaged: better shown as it is than left out.
        words = [line.decode("utf-8", "backslashreplace").rstrip("\n")]
    return CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", " ".join(words))


def _fields(fields: dict[str, Any]) -> list[str]:
    return [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()]


# Which one


def _chosen(home: Home, job: str | None, places: list[Home]) -> ExecutionFiles:
    spools = [Spool(place.spool) for place in places if place.spool.is_dir()]
    known = sorted((files for each in spools for files in each.executions()), key=_granted_at)
    if not known:
        raise NoLog(
            f"No execution is in {home.root}. Has its robot run a job yet, and is it the right --home? Logs stay here "
            "as long as `keep_records_seconds` says; those of earlier jobs are on the job's page of the orchestrator."
        )
    found = (
        known if job is None else [files for files in known if job.lower() in {_job_of(files), files.directory.name}]
    )
    if not found:
        newest = ", ".join(_job_of(files) for files in reversed(known[-KNOWN_SHOWN:]))
        raise NoLog(f"No execution of job {job} is in {home.root}; see the job's page, or name one of: {newest}")
    return found[-1]


def _granted_at(files: ExecutionFiles) -> float:
    """When it came. The lease is written once, before anything else."""
    try:
        return (files.directory / "lease.json").stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _job_of(files: ExecutionFiles) -> str:
    try:
        return str(files.lease()["lease"]["job"])
    except (CorruptRecord, KeyError):
        return f"unknown (execution {files.directory.name})"


# Its lines


def _followed(files: ExecutionFiles) -> Iterator[bytes]:
    offset = 0
    while True:
        has_ended = _has_ended(files)  # Before its last lines are read, so that none of them is missed.
        for line in _lines(files.log, offset):
            offset += len(line)
            yield line
        if has_ended:
            return
        time.sleep(LOOK_EVERY)


def _has_ended(files: ExecutionFiles) -> bool:
    return files.has_result() or files.is_delivered() or not files.directory.is_dir()


def _lines(path: Path, offset: int) -> Iterator[bytes]:
    """The complete lines from a place in the file on. One that is torn by a crash is cut off by its next writer."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            while (line := file.readline()).endswith(b"\n"):
                yield line
    except FileNotFoundError:
        return
