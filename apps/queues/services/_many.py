"""What is done to a batch of items at once: guarded, told of each, and in one order, so that two never deadlock.

Everything here runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from apps.core import ids, statements
from apps.events.rules import insert_sql
from apps.queues.models.changes import ItemBulkAction, ItemBulkChange
from apps.queues.services._telling import FACTS

#: Who waits for a row here sees in the next statement what the other has made of it.
#: Their queues as well: whoever deletes one waits for this, or was first and is seen below.
_LOCK: Final = """
    SELECT i.id FROM queues_queueitem i JOIN queues_queue q ON q.id = i.queue_id
    WHERE i.id = ANY (%(batch)s::uuid[]) AND i.deleted_at IS NULL ORDER BY i.id FOR UPDATE OF i FOR KEY SHARE OF q
"""


def _told(event: str, *, source: str, more: str = "") -> str:
    return insert_sql(
        event,
        kind="queueitem",
        source=source,
        data=f"jsonb_build_object({FACTS}{more}, 'bulk', %(bulk)s::uuid)",
        actor_kind="%(actor_kind)s",
        actor_id="%(actor_id)s",
    )


def _changing(event: str, *, sets: str, where: str) -> str:
    return f"""
    WITH changed AS (
        UPDATE queues_queueitem SET {sets}
        WHERE id = ANY (%(batch)s::uuid[]) AND deleted_at IS NULL AND {where}
        RETURNING id, tenant_id, folder_id, queue_id, status, attempt, lineage
    ), told AS ({_told(event, source="changed")})
    SELECT count(*) FROM changed
"""


_IS_OVER: Final = "status IN ('done', 'failed', 'abandoned')"
_STATEMENTS: Final = {
    ItemBulkAction.POSTPONE: _changing(
        "item.postponed", sets="available_at = %(available_at)s", where="status = 'new'"
    ),
    ItemBulkAction.PRIORITISE: _changing("item.prioritised", sets="priority = %(priority)s", where="status = 'new'"),
    ItemBulkAction.REVIEW: _changing(
        "item.reviewed",
        sets="review_status = %(review_status)s, review_comment = %(review_comment)s, reviewer = %(reviewer)s",
        where=_IS_OVER,
    ),
    ItemBulkAction.DELETE: _changing(
        "item.deleted", sets="deleted_at = statement_timestamp()", where="status <> 'in_progress'"
    ),
    # As one is: a new try that begins anew, points at the old one and keeps what that was about. Each has one at most.
    ItemBulkAction.REQUEUE: f"""
    WITH old AS (
        SELECT i.*, row_number() OVER (ORDER BY i.id) AS place FROM queues_queueitem i
        WHERE i.id = ANY (%(batch)s::uuid[]) AND i.deleted_at IS NULL AND i.status IN ('failed', 'abandoned')
          AND (SELECT q.deleted_at FROM queues_queue q WHERE q.id = i.queue_id) IS NULL
    ), made AS (
        INSERT INTO queues_queueitem (id, lineage, retry_of_id, tenant_id, folder_id, queue_id, schema_id, status,
            reference, payload, priority, deadline, late_at, tags, attempt, crashes, error_type, error_code,
            error_reason, review_status, reviewer, review_comment, created_by)
        SELECT (%(ids)s::uuid[])[place], lineage, id, tenant_id, folder_id, queue_id, schema_id, 'new', reference,
            payload, priority, deadline, late_at, tags, 1, 0, '', '', '', 'none', '', '', created_by
        FROM old
        ON CONFLICT (retry_of_id) WHERE retry_of_id IS NOT NULL DO NOTHING
        RETURNING id, tenant_id, folder_id, queue_id, status, attempt, lineage, retry_of_id
    ), reviewed AS (
        UPDATE queues_queueitem i SET review_status = 'retried' FROM made JOIN old ON old.id = made.retry_of_id
        WHERE i.id = old.id AND old.review_status = 'open'
    ), told AS ({_told("item.retried", source="made", more=", 'retry_of', retry_of_id")})
    SELECT count(*) FROM made
""",
}


def change_batch(change: ItemBulkChange, batch: list[UUID]) -> int:
    """Do to a batch what a bulk change asks for; returns how many it could be done to."""
    facts: dict[str, Any] = {"batch": statements.array(batch), "bulk": change.pk, **_who(change)}
    statements.execute(_LOCK, {"batch": facts["batch"]})
    action = ItemBulkAction(change.action)
    [(done,)] = statements.fetch(_STATEMENTS[action], facts | _NEEDS.get(action, _nothing)(change, batch))
    return int(done)


def _nothing(change: ItemBulkChange, batch: list[UUID]) -> dict[str, Any]:
    return {}


def _who(change: ItemBulkChange) -> dict[str, str]:
    requester = change.requester()
    return {"actor_kind": requester.kind, "actor_id": requester.id}


_NEEDS: Final[dict[ItemBulkAction, Callable[[ItemBulkChange, list[UUID]], dict[str, Any]]]] = {
    ItemBulkAction.POSTPONE: lambda change, batch: {"available_at": change.available_at},
    ItemBulkAction.PRIORITISE: lambda change, batch: {"priority": change.priority},
    ItemBulkAction.REVIEW: lambda change, batch: {
        "review_status": change.review_status,
        "review_comment": change.review_comment,
        "reviewer": change.requester().name,
    },
    ItemBulkAction.REQUEUE: lambda change, batch: {"ids": statements.array(ids.uuid7() for _ in batch)},
}
