"""What events about items carry, so that replaying them gives the row."""

from __future__ import annotations

from typing import Any

from apps.queues.models import QueueItem

#: The same for a statement that tells of several: SQL over the rows that it changed.
FACTS = "'queue', queue_id, 'status', status, 'attempt', attempt, 'lineage', lineage"


def facts_of(item: QueueItem, **more: Any) -> dict[str, Any]:
    """Return what an event about an item says of it; never its payload, which is not for every reader."""
    facts = {"queue": str(item.queue_id), "status": item.status, "attempt": item.attempt, "lineage": str(item.lineage)}
    return facts | {name: str(value) for name, value in more.items() if value is not None}
