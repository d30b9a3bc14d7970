"""How a job can be ended by others, and what came of one, in words."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from bv_robot import results
from bv_robot.spool import ExecutionFiles

ENDINGS = {
    "cancel": "it was cancelled",
    "kill": "it was killed on request",
    "lost": "the lease is no longer ours",
    "robot_stopped": "the robot is being stopped",
}
"""What the listener may ask that ends the job, in words."""
ENDINGS_SEEN_HERE = {
    "timeout": "it ran longer than its timeout",
    "memory": "it uses more memory than it may",
}
"""Why the supervisor ends a job by itself, likewise."""


@dataclass(frozen=True)
class Outcome:
    """What came of the job, before it is put into a report."""

    outcome: str
    result: Any = None
    error: dict[str, Any] | None = None


def failed(kind: str, message: str, code: str = "application_error", traceback: str = "") -> Outcome:
    """A failure, as it is reported."""
    return Outcome("failed", error=results.error(kind, message, code=code, traceback=traceback))


def ended(reason: str) -> Outcome:
    """What comes of a job that was ended for one of the ``ENDINGS``."""
    if reason == "cancel":
        return Outcome("cancelled")
    if reason == "lost":
        return failed("LeaseLost", "The robot no longer held the lease, so it ended the job.", "killed")
    if reason == "kill":
        return failed("Killed", "The job was killed on request.", "killed")
    return failed("RobotStopped", "The robot was stopped while the job ran.", "robot_stopped")


def timed_out(seconds: float) -> Outcome:
    """What comes of a job that ran longer than it may."""
    return failed("Timeout", f"The job ran longer than its timeout of {seconds:g} seconds and was ended.", "timeout")


def completed(result: Any, limit: int) -> Outcome:
    """A success, provided that its result, of at most ``limit`` bytes, can travel."""
    if len(results.canonical(result)) > limit:
        return Outcome("failed", error=results.too_large(limit))
    if reason := results.unfit(result):
        return failed("ResultNotJson", f"The result cannot be sent: {reason}.")
    return Outcome("completed", result)


def write_for_certain(files: ExecutionFiles, report: results.Report) -> None:
    """Bring a result to the disk; while that is full the result waits here, in memory."""
    while files.directory.exists():  # Where the spool was cleared away nobody waits for it any more.
        try:
            files.write_result(report)
        except OSError:
            files.note_in_memory()
            time.sleep(1)
        else:
            return
