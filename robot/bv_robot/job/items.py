"""Items of queues that a job works on: those it owns, and those it takes."""

from __future__ import annotations

import uuid
from typing import Any

from bv_robot.job import channel, connection
from bv_robot.job.files import Files

_owned: dict = {}  # By channel: asked again, a job gets the same items.


class Item:
    """A piece of business work that this job holds until it says how it ended; else the end of the job says it.

    Attributes:
        id: The item's id.
        lease: The right to work on it, by which all calls name it.
        queue: The id of its queue.
        reference: What it is called, such as an invoice's number; may be empty.
        payload: What it is about.
        priority, attempt: As its queue counts them.
        deadline: ISO 8601, or None.
        files: The files it carries, to be read and written.
        is_over: Whether this job has said how it ended.
    """

    def __init__(self, told: dict[str, Any], lease: str) -> None:
        self.id, self.lease = str(told["id"]), lease
        queue = told.get("queue")
        self.queue = str(queue["id"] if isinstance(queue, dict) else queue)
        self.reference = str(told.get("reference") or "")
        self.payload: Any = told.get("payload")
        self.priority, self.attempt = told.get("priority", 0), told.get("attempt", 1)
        self.deadline = told.get("deadline")
        self.files = Files(f"/runtime/item-leases/{lease}/files")
        self.is_over = False

    def __repr__(self) -> str:
        return f"<Item {self.reference or self.id}>"

    def finish(self, result: Any = None) -> None:
        """Say that it is done, and what came of it.

        Raises:
            Refused: when this job does not hold it any more.
        """
        self._end({"status": "done", "result": result})

    def fail(self, reason: str, *, code: str = "", business: bool = False) -> None:
        """Say that it failed, and why.

        Args:
            reason: In words.
            code: For programs and statistics.
            business: Whether another try would not help; else its queue decides about one.
        """
        kind = "business" if business else "application"
        self._end({"status": "failed", "error_type": kind, "error_code": code, "error_reason": reason})

    def abandon(self, reason: str) -> None:
        """Say that nobody shall work on it any more."""
        self._end({"status": "abandoned", "error_reason": reason})

    def release(self) -> None:
        """Give it back untouched, for others to take."""
        self._call("release", {})
        self.is_over = True

    def progress(self, percent: float | None = None, step: str | None = None, message: str | None = None) -> None:
        """Tell how far the work on it is; the latest counts."""
        told = {"percent": percent, "step": step, "message": message}
        self._call("renew", {"progress": {name: value for name, value in told.items() if value is not None}})

    def _end(self, report: dict[str, Any]) -> None:
        self._call("finish", report)
        self.is_over = True

    def _call(self, what: str, body: dict[str, Any]) -> None:
        path = f"/runtime/item-leases/{self.lease}/{what}"
        connection.patiently("POST", path, body, seconds=connection.PATIENCE)


def items() -> list[Item]:
    """Return the items that this job owns, best first. What it does not settle itself, its end does."""
    place = channel.directory()
    if place not in _owned:
        _owned[place] = [Item(told, str(told["lease"])) for told in channel.owned_items()]
    return list(_owned[place])


def take(queue: str, count: int = 1) -> list[Item]:
    """Take up to ``count`` items of a queue, best first; none where none waits.

    Args:
        queue: Its name or id.
        count: At most 100.

    Raises:
        NotConnected: outside a robot.
        Refused: when there is no such queue here, it is paused, or this job was asked to end.
    """
    key = str(uuid.uuid4())  # The same in every try: a lost answer takes nothing twice.
    path = f"/runtime/queues/{connection.quoted(queue)}/take"
    taken = connection.patiently("POST", path, {"count": count}, key=key, seconds=connection.PATIENCE)
    return [Item(one["item"], str(one["id"])) for one in taken["items"]]


def add(queue: str, payload: Any = None, *, reference: str = "", **more: Any) -> str:
    """Add an item to a queue and return its id.

    Args:
        queue: Its name or id.
        payload: What it is about; anything JSON knows.
        reference: What it is called; where its queue keeps them unique, one that is taken is refused.
        more: ``priority``, ``available_at``, ``deadline`` (ISO 8601), ``tags``.

    Raises:
        NotConnected: outside a robot.
        Refused: when there is no such queue here, or something about the item is wrong.
    """
    wanted = {"payload": payload, "reference": reference, **more}
    key = str(uuid.uuid4())
    path = f"/runtime/queues/{connection.quoted(queue)}/items"
    added = connection.patiently("POST", path, {"items": [wanted]}, key=key, seconds=connection.PATIENCE)
    return str(added["items"][0])
