"""What existing BV clients say of queues and items, and what they read. The one place that translates their words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from apps.core.errors import Invalid
from apps.queues.models import ErrorType, ItemLease, ItemStatus, Queue, QueueItem, UniqueReferences
from apps.queues.models.statistics import Statistics
from apps.queues.rules.outcomes import Outcome
from apps.queues.services import Report, Wanted
from apps.runner.serializers.robots import Body, text, truth, whole

#: Their states in our words.
STATUSES: Final = {
    "NEW": ItemStatus.NEW,
    "IN_PROGRESS": ItemStatus.IN_PROGRESS,
    "DONE": ItemStatus.DONE,
    "FAILED": ItemStatus.FAILED,
    "ABANDONED": ItemStatus.ABANDONED,
}
#: Those in which work ends.
OUTCOMES: Final = {"DONE": Outcome.DONE, "FAILED": Outcome.FAILED, "ABANDONED": Outcome.ABANDONED}
ERRORS: Final = {"APPLICATION": ErrorType.APPLICATION, "BUSINESS": ErrorType.BUSINESS}
#: LOW, NORMAL, MEDIUM, HIGH; ours go further in both directions.
LOWEST, HIGHEST = 0, 3
LONGEST_REASON, LONGEST_REFERENCE = 10_000, 200
_THEIRS: Final = {ours: theirs for theirs, ours in STATUSES.items()}


def read_wanted(data: Mapping[str, Any]) -> Wanted:
    """Read what is asked of one item. Raises ``Invalid`` naming each wrong field."""
    body = Body(data)
    reference = body.take("reference", _reference, f"a text of at most {LONGEST_REFERENCE} characters", default="")
    priority = body.take("priority", _priority, f"a whole number from {LOWEST} (low) to {HIGHEST} (high)", default=None)
    body.done()
    return Wanted(payload=data.get("payload"), reference=reference, priority=priority)


def read_report(data: Mapping[str, Any]) -> Report:
    """Read how the work on an item ended, in either of their vocabularies.

    A failure of no kind is the application's: older clients name none, and only such a one is tried again.
    """
    body = Body(data)
    outcome = body.take("status", lambda value: OUTCOMES[value.upper()], "DONE, FAILED or ABANDONED")
    told = body.take("error_type", lambda value: ERRORS[value.upper()], "APPLICATION or BUSINESS", default="")
    names = [name for name in ("error_message", "error_reason") if data.get(name) is not None]
    reason = body.take(names[0], lambda value: text(value, LONGEST_REASON), "a text") if names else ""
    is_terminal = body.take("terminal", truth, "true or false", default=False)
    body.done()
    if outcome == Outcome.FAILED and not told:
        told = ErrorType.BUSINESS if is_terminal else ErrorType.APPLICATION
    result = data["result"] if data.get("result") is not None else data.get("output")
    return Report(outcome, result=result, error_type=told, error_reason=reason)


def read_status(value: str | None) -> ItemStatus | None:
    """Read the state that a list is narrowed to. Raises ``Invalid``."""
    if not value:
        return None
    if value.upper() not in STATUSES:
        raise Invalid.field("status", f"there is {', '.join(STATUSES)}.")
    return STATUSES[value.upper()]


def read_queue(data: Mapping[str, Any], *, is_new: bool) -> dict[str, Any]:
    """Read what is set of a queue; whether references are unique is said when it is made."""
    body = Body(data)
    fields: dict[str, Any] = {
        "name": body.take("name", text, "the queue's name", **({} if is_new else {"default": None})),
        "description": body.take("description", lambda value: text(value, 2000), "a text", default=None),
        "max_attempts": body.take("max_retries", _attempts, "a whole number from 0 to 100", default=None),
    }
    if is_new and body.take("enforce_unique_reference", truth, "true or false", default=False):
        fields["unique_references"] = UniqueReferences.ALWAYS
    body.done()
    return {name: value for name, value in fields.items() if value is not None}


def queue_body(queue: Queue) -> dict[str, Any]:
    """A queue as older clients know it. Their ``max_retries`` N means N tries."""
    return {
        "id": queue.pk,
        "external_id": queue.pk,
        "name": queue.name,
        "description": queue.description or None,
        "max_retries": queue.max_attempts if queue.max_attempts > 1 else 0,
        "enforce_unique_reference": queue.unique_references != UniqueReferences.OFF,
        "created_at": queue.created_at,
    }


def statistics_body(told: Statistics) -> dict[str, Any]:
    """What older clients read of how a queue is doing; what ended is that of the last day."""
    return {
        "inProgress": told.in_progress.count,
        "remaining": told.waiting.count + told.postponed.count,
        "avgProcessingTime": told.average_seconds or 0,
        "successful": told.done,
        "appExceptions": told.failures(ErrorType.APPLICATION) + told.failures(ErrorType.SYSTEM),
        "bizExceptions": told.failures(ErrorType.BUSINESS),
        "abandoned": told.abandoned,
    }


def item_body(item: QueueItem) -> dict[str, Any]:
    """An item as older clients know it."""
    return {
        "id": item.pk,
        "queue_id": item.queue_id,
        "queue_name": item.queue.name,
        "reference": item.reference or None,
        "status": _THEIRS[ItemStatus(item.status)],
        "priority": min(HIGHEST, max(LOWEST, item.priority)),
        "payload": item.payload,
        "retries": item.attempt - 1,
        "locked_at": item.taken_at,
        "job_id": item.job_id,
        "created_at": item.created_at,
        "output": item.result,
        "error_type": item.error_type.upper() or None,
        "error_reason": item.error_reason or None,
        "completed_at": item.finished_at,
    }


def taken_body(lease: ItemLease) -> dict[str, Any]:
    """An item that was handed out. Its ``id`` is the lease: later calls are fenced without their clients' knowing."""
    return {**item_body(lease.item), "id": lease.lease_id, "item_id": lease.item_id}


def settled_body(lease: ItemLease, item: QueueItem, successor: QueueItem | None) -> dict[str, Any]:
    """What a client learns that has set a status: a failure that is tried again waits anew, as they know it."""
    now = successor or item
    return {"id": lease.lease_id, "item_id": now.pk, "status": _THEIRS[ItemStatus(now.status)]}


def _reference(value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_REFERENCE:
        raise ValueError(value)
    return value


def _priority(value: Any) -> int:
    if not LOWEST <= (priority := whole(value)) <= HIGHEST:
        raise ValueError(value)
    return priority


def _attempts(value: Any) -> int:
    if (attempts := whole(value)) > 100:
        raise ValueError(value)
    return max(1, attempts)
