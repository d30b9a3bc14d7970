"""Handing items out: each to one holder at a time, best first."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.core import ids, statements
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid
from apps.events.rules import insert_sql
from apps.queues.models import ItemLease, Queue, QueueItem
from apps.rbac import services as rbac

MOST_AT_ONCE = 100

#: Best first: priority, deadline, age. What others hold locked is passed over. Leases are matched by place in line.
_TAKE = f"""
    WITH line AS MATERIALIZED (
        SELECT i.id FROM queues_queueitem i
        WHERE i.queue_id = %(queue)s AND i.status = 'new' AND i.deleted_at IS NULL AND i.reserved_for IS NULL
          AND i.available_at <= statement_timestamp()
        ORDER BY i.priority DESC, i.deadline ASC NULLS LAST, i.id LIMIT %(count)s FOR UPDATE SKIP LOCKED
    ), chosen AS (
        SELECT id, row_number() OVER () AS place FROM line
    ), taken AS (
        UPDATE queues_queueitem i SET status = 'in_progress', taken_at = statement_timestamp(),
            job_id = coalesce(%(job)s::uuid, i.job_id), progress = NULL
        FROM chosen c WHERE i.id = c.id AND i.status = 'new'
        RETURNING i.id, i.tenant_id, i.folder_id, i.queue_id, i.attempt, i.lineage, c.place
    ), leased AS (
        INSERT INTO queues_itemlease (id, created_at, tenant_id, item_id, queue_id, lease_id, holder_kind, holder_id,
            execution_id, granted_at, expires_at, outcome, result_digest)
        SELECT (%(ids)s::uuid[])[t.place], statement_timestamp(), t.tenant_id, t.id, t.queue_id,
            (%(leases)s::uuid[])[t.place], %(holder_kind)s, %(holder)s, %(execution)s::uuid, statement_timestamp(),
            CASE WHEN %(execution)s::uuid IS NULL
                THEN statement_timestamp() + make_interval(secs => %(seconds)s) END, '', ''
        FROM taken t
        RETURNING id, item_id, lease_id
    ), told AS (
        {insert_sql(
            "item.taken", kind="queueitem", source="taken",
            data="jsonb_build_object('queue', queue_id, 'status', 'in_progress', 'attempt', attempt, "
                 "'lineage', lineage, 'execution', %(execution)s::uuid)",
            actor_kind="%(actor_kind)s", actor_id="%(actor_id)s",
        )}
    )
    SELECT l.item_id, l.lease_id FROM leased l JOIN taken t ON t.id = l.item_id ORDER BY t.place
"""  # fmt: skip


class QueuePaused(Conflict):
    """The queue hands out nothing for now; ``reason`` in the answer says why."""

    code = "queue_paused"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who works on items: a robot, a person or a service account, perhaps within an execution, whose lease counts."""

    kind: str
    id: UUID
    execution_id: UUID | None = None
    job_id: UUID | None = None


@transaction.atomic
def take_items(queue: Queue, *, actor: Actor, holder: Holder, count: int = 1) -> list[ItemLease]:
    """Hand out up to ``count`` items, each under a fresh lease, best first; fewer or none where fewer wait.

    Within an execution the caller holds its job and execution locked. Raises ``QueuePaused``, ``Invalid``.
    """
    rbac.require(actor, "queues.take_queueitem", queue)
    if not 1 <= count <= MOST_AT_ONCE:
        raise Invalid.field("count", f"take between 1 and {MOST_AT_ONCE} items.")
    if queue.paused:
        raise QueuePaused(f"The queue “{queue.name}” is paused.", reason=queue.paused_reason)
    granted = statements.fetch(_TAKE, _facts(queue, actor, holder, count))
    items = QueueItem.objects.in_bulk([item_id for item_id, _ in granted])
    leases = ItemLease.objects.in_bulk([lease_id for _, lease_id in granted], field_name="lease_id")
    return [_joined(leases[lease_id], items[item_id], queue) for item_id, lease_id in granted]


def _facts(queue: Queue, actor: Actor, holder: Holder, count: int) -> dict[str, Any]:
    return {
        "queue": queue.pk,
        "count": count,
        "ids": statements.array(ids.uuid7() for _ in range(count)),
        "leases": statements.array(uuid.uuid4() for _ in range(count)),
        "holder_kind": holder.kind,
        "holder": holder.id,
        "execution": holder.execution_id,
        "job": holder.job_id,
        "seconds": queue.lease_seconds,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
    }


def _joined(lease: ItemLease, item: QueueItem, queue: Queue) -> ItemLease:
    lease.item, lease.queue, item.queue = item, queue, queue
    return lease
