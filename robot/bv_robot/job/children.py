"""Jobs that a job starts."""

from __future__ import annotations

import time
import uuid
from typing import Any

from bv_robot.job import channel, connection

FINAL = ("completed", "failed", "cancelled")
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 10.0
_TICK = 0.2


class Cancelled(Exception):
    """This job was itself asked to end while it waited. Its children are cancelled by whoever cancelled it."""


class ChildJob:
    """A job that this one started. What is known of it is as old as the last ``wait`` or ``refresh``.

    Attributes:
        id: The job's id.
        process: The name of the process.
        status: ``pending``, ``waiting``, ``running``, ``cancelling``, ``completed``, ``failed`` or ``cancelled``.
        reason: Why it ended so, in one word.
        result: What it returned, once it is completed.
        error: What went wrong, once it has failed: type, message, code.
        progress: What it last said about how far it is.
    """

    def __init__(self, told: dict[str, Any]) -> None:
        self.id = str(told["id"])
        self.process = str((told.get("process") or {}).get("name") or "")
        self._take(told)

    def _take(self, told: dict[str, Any]) -> None:
        self.status = str(told["status"])
        self.reason = told.get("reason")
        self.result: Any = told.get("result")
        self.error: Any = told.get("error")
        self.progress: Any = told.get("progress")

    def __repr__(self) -> str:
        return f"<ChildJob {self.id} {self.process} {self.status}>"

    def is_over(self) -> bool:
        """Say whether it had ended when it was last looked at."""
        return self.status in FINAL

    def refresh(self) -> ChildJob:
        """Ask how it is."""
        self._take(connection.patiently("GET", f"/runtime/jobs/{self.id}", seconds=connection.PATIENCE))
        return self

    def wait(self, timeout: float | None = None) -> ChildJob:
        """Wait until it has ended, well or badly, and return it.

        Args:
            timeout: Seconds after which to give up; by default never.

        Raises:
            TimeoutError: when it has not ended by then. It runs on.
            Cancelled: when this job itself is asked to end.
            OrchestratorError: when the orchestrator refuses, or cannot be reached for minutes.
        """
        until = None if timeout is None else time.monotonic() + timeout
        pause = _FIRST_PAUSE
        while not self.refresh().is_over():
            left = pause if until is None else min(pause, until - time.monotonic())
            if left <= 0:
                raise TimeoutError(f"The job {self.id} has not ended within {timeout:g} seconds.")
            _rest(left)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        return self

    def cancel(self) -> None:
        """Ask it to end. One that has ended already stays as it is."""
        connection.patiently("POST", f"/runtime/jobs/{self.id}/cancel", {}, seconds=connection.PATIENCE)


def start(
    process: str,
    parameters: dict[str, Any] | None = None,
    *,
    priority: int | None = None,
    dedupe_key: str | None = None,
) -> ChildJob:
    """Start another process as a child of this job, and return at once.

    Args:
        process: Its name or id. It must be among those that this job's process may start.
        parameters: What it gets.
        priority: Where it stands in the line; by default as its process says.
        dedupe_key: With the same key there is one job as long as it has not ended: use one so that a further try of
            this job finds the child of the first.

    Raises:
        NotConnected: outside a robot.
        Refused: when there is no such process, its parameters do not fit, or children are nested too deeply.
        Cancelled: when this job was asked to end.
    """
    connection.facts()
    if channel.is_cancelled():
        raise Cancelled("This job was asked to end, so it starts no other.")
    asked: dict[str, Any] = {"process": process, "parameters": parameters or {}}
    if priority is not None:
        asked["priority"] = priority
    if dedupe_key is not None:
        asked["dedupe_key"] = dedupe_key
    key = str(uuid.uuid4())  # The same in every try: a lost answer starts nothing twice.
    return ChildJob(connection.patiently("POST", "/runtime/jobs", asked, key=key, seconds=connection.PATIENCE))


def _rest(seconds: float) -> None:
    until = time.monotonic() + seconds
    while True:
        if channel.is_cancelled():
            raise Cancelled("This job was asked to end while it waited for another.")
        left = until - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, _TICK))
