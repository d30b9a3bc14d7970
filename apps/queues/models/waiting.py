"""What waits in queues, best first, held for whoever is about to give it to a job."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.core import statements

#: By priority, deadline and age, as items are handed out. What others hold locked is passed over.
_BEST = """
    SELECT w.queue_id, w.id, w.size FROM unnest(%(queues)s::uuid[], %(counts)s::int[]) AS wanted (queue_id, count)
    CROSS JOIN LATERAL (
        SELECT i.queue_id, i.id, octet_length(i.payload::text) AS size FROM queues_queueitem i
        WHERE i.queue_id = wanted.queue_id AND i.status = 'new' AND i.deleted_at IS NULL AND i.reserved_for IS NULL
          AND i.available_at <= %(now)s::timestamptz
        ORDER BY i.priority DESC, i.deadline ASC NULLS LAST, i.id LIMIT wanted.count FOR UPDATE SKIP LOCKED
    ) w
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An item that waits for anybody, and the bytes of its payload."""

    id: UUID
    size: int


def lock_best(counts: Mapping[UUID, int], *, now: datetime) -> dict[UUID, list[Waiting]]:
    """Return up to so many waiting items of each queue, best first, locked until the caller's transaction ends."""
    asked = {"queues": statements.array(counts), "counts": list(counts.values()), "now": now}
    found: dict[UUID, list[Waiting]] = defaultdict(list)
    for queue_id, item_id, size in statements.fetch(_BEST, asked) if counts else ():
        found[queue_id].append(Waiting(item_id, size or 0))
    return dict(found)
