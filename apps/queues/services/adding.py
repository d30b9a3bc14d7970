"""Adding items to queues: one or many, all or none, and the same again without a second one."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from apps.core import ids, statements
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid
from apps.events import services as events
from apps.queues.models import ItemStatus, Queue, QueueItem, UniqueReferences
from apps.queues.services._checking import Wanted, problems_of
from apps.rbac import services as rbac

MOST_AT_ONCE = 1_000
#: One document in place of a value for each column of each row, which the ORM and the driver would word one by one.
_INSERT = """
    INSERT INTO queues_queueitem (id, lineage, tenant_id, folder_id, queue_id, schema_id, status, reference, payload,
        priority, available_at, deadline, late_at, tags, attempt, crashes, error_type, error_code, error_reason,
        review_status, reviewer, review_comment, created_by)
    SELECT r.id, r.id, %(tenant)s, %(folder)s, %(queue)s, %(schema)s, 'new', r.reference, r.payload, r.priority,
        coalesce(r.available_at, statement_timestamp()), r.deadline, r.late_at, r.tags, 1, 0, '', '', '', 'none', '',
        '', %(created_by)s
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS r (id uuid, reference text, payload jsonb, priority smallint,
        available_at timestamptz, deadline timestamptz, late_at timestamptz, tags text[])
    RETURNING id, created_at, available_at
"""
#: Whoever deletes the queue waits for this, or was first and is seen: the row is read again after the wait.
_HOLD_OPEN = "SELECT deleted_at FROM queues_queue WHERE id = %(queue)s FOR KEY SHARE"
_TAKE_LOCK = "SELECT pg_advisory_xact_lock(%(key)s)"


class DuplicateReference(Conflict):
    """The queue allows a reference once, and it is taken; ``references`` in the answer says which, with their items."""

    code = "duplicate_reference"


class QueueClosed(Conflict):
    """The queue takes no items: it was deleted."""

    code = "queue_closed"


@transaction.atomic
def add_items(queue: Queue, *, actor: Actor, wanted: Sequence[Wanted]) -> list[QueueItem]:
    """Add items, all or none, at most 1,000.

    Raises ``Invalid`` naming each wrong field with its row, ``DuplicateReference``, ``QueueClosed``.
    """
    rbac.require(actor, "queues.add_queueitem", queue)
    refuse_closed(queue)
    if not 0 < len(wanted) <= MOST_AT_ONCE:
        raise Invalid.field("items", f"add between 1 and {MOST_AT_ONCE} items.")
    if problems := problems_of(queue, wanted):
        raise Invalid("; ".join(f"{p.field}: {p.message}" for p in problems[:10]), problems=problems)
    _refuse_taken_references(queue, [one.reference for one in wanted if one.reference])
    items = _insert(queue, wanted, created_by=str(actor))
    events.record("items.added", queue, data={"count": len(items), "first": str(items[0].pk)}, actor=actor)
    return items


def refuse_closed(queue: Queue) -> None:
    """Raise ``QueueClosed`` for a queue that was deleted; until the transaction ends, nobody deletes it."""
    [(deleted_at,)] = statements.fetch(_HOLD_OPEN, {"queue": queue.pk})
    if deleted_at is not None:
        raise QueueClosed(f"The queue “{queue.name}” was deleted.")


def taken_references(queue: Queue, references: Sequence[str]) -> dict[str, UUID]:
    """Return which references the queue's rule leaves to the items that have them, until the transaction ends."""
    if queue.unique_references == UniqueReferences.OFF or not references:
        return {}
    # Two who add at once would not see each other's rows: they wait for one another.
    statements.execute(_TAKE_LOCK, {"key": _lock_number(queue.pk)})
    held = _holding(queue).filter(reference__in=references).order_by("-pk")
    return dict(held.values_list("reference", "pk"))  # Of several tries the first is named.


def _refuse_taken_references(queue: Queue, references: Sequence[str]) -> None:
    """Raise ``DuplicateReference`` where the queue's rule is broken, also among the new ones themselves."""
    if queue.unique_references == UniqueReferences.OFF:
        return
    repeated = [reference for reference, count in Counter(references).items() if count > 1]
    taken = taken_references(queue, references)
    if repeated or taken:
        first = next(iter([*repeated, *taken]))
        told = {reference: str(taken.get(reference, "")) for reference in [*repeated, *taken]}
        raise DuplicateReference(f"The reference “{first}” is taken in this queue.", references=told)


def _holding(queue: Queue) -> Any:
    """The items that keep their reference to themselves, by the queue's rule. A retry never stands for itself."""
    items = QueueItem.objects.alive().filter(queue=queue)
    match queue.unique_references:
        case UniqueReferences.UNFINISHED:
            return items.filter(status__in=[ItemStatus.NEW, ItemStatus.IN_PROGRESS])
        case UniqueReferences.WINDOW:
            since = Now() - timedelta(seconds=queue.unique_window or 0)
            return items.filter(Q(retry_of=None), created_at__gt=since)
        case _:
            return items  # Retries as well: the first try may have been deleted.


def _insert(queue: Queue, wanted: Sequence[Wanted], *, created_by: str) -> list[QueueItem]:
    """Store new items, and return them with what the database's clock gave them."""
    now = timezone.now()
    rows = [_row(queue, one, now) for one in wanted]
    alike = {
        "tenant": queue.tenant_id,
        "folder": queue.folder_id,
        "queue": queue.pk,
        "schema": queue.schema_id,
        "created_by": created_by,
    }
    moments = {
        key: told for key, *told in statements.fetch(_INSERT, {**alike, "rows": json.dumps(rows, default=_as_text)})
    }
    return list(_stored(queue, rows, moments, created_by=created_by))


def _row(queue: Queue, one: Wanted, now: datetime) -> dict[str, Any]:
    begins = max(one.available_at, now) if one.available_at is not None else now
    deadline = one.deadline or (begins + timedelta(seconds=queue.default_deadline) if queue.default_deadline else None)
    return {
        "id": ids.uuid7(),
        "reference": one.reference,
        "payload": one.payload,
        "priority": one.priority if one.priority is not None else queue.default_priority,
        "available_at": begins if begins > now else None,  # Otherwise the database says when.
        "deadline": deadline,
        "late_at": begins + timedelta(seconds=queue.sla) if queue.sla else None,
        "tags": list(one.tags),
    }


def _stored(
    queue: Queue, rows: Sequence[Mapping[str, Any]], moments: Mapping[UUID, Any], *, created_by: str
) -> Iterator[QueueItem]:
    """Make the objects of new rows out of all their columns: one by one the ORM would ask each for its default."""
    alike = QueueItem(queue=queue, tenant_id=queue.tenant_id, folder_id=queue.folder_id, schema_id=queue.schema_id)
    alike.created_by = created_by
    names = [field.attname for field in QueueItem._meta.concrete_fields]
    usual = {name: getattr(alike, name) for name in names}
    for row in rows:
        created_at, available_at = moments[row["id"]]
        values = {**usual, **row, "lineage": row["id"], "created_at": created_at, "available_at": available_at}
        item = QueueItem.from_db(connection.alias, names, [values[name] for name in names])
        item.queue = queue
        yield item


def _as_text(value: UUID | datetime) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _lock_number(queue_id: UUID) -> int:
    digest = hashlib.blake2b(f"references/{queue_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
