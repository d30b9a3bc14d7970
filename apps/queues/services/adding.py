"""Adding items to queues: one or many, all or none, and the same again without a second one."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from jsonschema import Draft202012Validator

from apps.core import ids, statements
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, Problem
from apps.events import services as events
from apps.queues.models import ItemStatus, Queue, QueueItem, UniqueReferences
from apps.queues.models.queues import HIGHEST_PRIORITY, LOWEST_PRIORITY
from apps.rbac import services as rbac

MOST_AT_ONCE = 1_000
LONGEST_REFERENCE = 200
LARGEST_PAYLOAD = 1024 * 1024
"""Bytes of a payload as JSON."""
MOST_TAGS, LONGEST_TAG = 20, 63
FURTHEST_AHEAD = timedelta(days=366)
_TAKE_LOCK = "SELECT pg_advisory_xact_lock(%(key)s)"


class DuplicateReference(Conflict):
    """The queue allows a reference once, and it is taken; ``references`` in the answer says which, with their items."""

    code = "duplicate_reference"


class QueueClosed(Conflict):
    """The queue takes no items: it was deleted."""

    code = "queue_closed"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of one item. What is left out is as its queue says."""

    payload: Any = None
    reference: str = ""
    priority: int | None = None
    available_at: datetime | None = None
    deadline: datetime | None = None
    tags: Sequence[str] = field(default_factory=tuple)


@transaction.atomic
def add_items(queue: Queue, *, actor: Actor, wanted: Sequence[Wanted]) -> list[QueueItem]:
    """Add items, all or none, at most 1,000.

    Raises ``Invalid`` naming each wrong field with its row, ``DuplicateReference``, ``QueueClosed``.
    """
    rbac.require(actor, "queues.add_queueitem", queue)
    if queue.deleted_at is not None:
        raise QueueClosed(f"The queue “{queue.name}” was deleted.")
    if not 0 < len(wanted) <= MOST_AT_ONCE:
        raise Invalid.field("items", f"add between 1 and {MOST_AT_ONCE} items.")
    if problems := problems_of(queue, wanted):
        raise Invalid("; ".join(f"{p.field}: {p.message}" for p in problems[:10]), problems=problems)
    _refuse_taken_references(queue, [one.reference for one in wanted if one.reference])
    now = timezone.now()
    items = [_item(queue, one, now, created_by=str(actor)) for one in wanted]
    QueueItem.objects.bulk_create(items)
    events.record("items.added", queue, data={"count": len(items), "first": str(items[0].pk)}, actor=actor)
    return items


def problems_of(queue: Queue, wanted: Sequence[Wanted]) -> list[Problem]:
    """Return everything that is wrong with items before anything is written, by row where there are several."""
    validator = Draft202012Validator(queue.schema.document) if queue.schema is not None else None
    is_numbered = len(wanted) > 1
    return [
        Problem(f"items[{row}].{problem.field}" if is_numbered else problem.field, problem.message, problem.code)
        for row, one in enumerate(wanted)
        for problem in _problems_of_one(one, validator)
    ]


def _problems_of_one(one: Wanted, validator: Any) -> list[Problem]:
    problems = []
    if len(one.reference) > LONGEST_REFERENCE:
        problems.append(Problem("reference", f"has more than {LONGEST_REFERENCE} characters."))
    if one.priority is not None and not LOWEST_PRIORITY <= one.priority <= HIGHEST_PRIORITY:
        problems.append(Problem("priority", f"must lie between {LOWEST_PRIORITY} and {HIGHEST_PRIORITY}."))
    if one.available_at is not None and one.available_at > timezone.now() + FURTHEST_AHEAD:
        problems.append(Problem("available_at", "lies more than a year ahead."))
    if len(one.tags) > MOST_TAGS or any(not 0 < len(tag) <= LONGEST_TAG for tag in one.tags):
        problems.append(Problem("tags", f"give at most {MOST_TAGS}, each of 1 to {LONGEST_TAG} characters."))
    return problems + _problems_of_payload(one.payload, validator)


def _problems_of_payload(payload: Any, validator: Any) -> list[Problem]:
    if len(json.dumps(payload, ensure_ascii=False).encode()) > LARGEST_PAYLOAD:
        return [Problem("payload", f"has more than {LARGEST_PAYLOAD} bytes. Put large data into a file of the item.")]
    if validator is None:
        return []
    return [
        Problem(".".join(["payload", *map(str, error.absolute_path)]), error.message, "schema")
        for error in validator.iter_errors(payload)
    ]


def _refuse_taken_references(queue: Queue, references: Sequence[str]) -> None:
    """Raise ``DuplicateReference`` where the queue's rule is broken, also among the new ones themselves."""
    if queue.unique_references == UniqueReferences.OFF or not references:
        return
    repeated = [reference for reference, count in Counter(references).items() if count > 1]
    # Two who add at once would not see each other's rows: they wait for one another.
    statements.execute(_TAKE_LOCK, {"key": _lock_number(queue.pk)})
    taken = dict(_holding(queue).filter(reference__in=references).values_list("reference", "pk"))
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
            return items.filter(retry_of=None)


def _lock_number(queue_id: UUID) -> int:
    digest = hashlib.blake2b(f"references/{queue_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def _item(queue: Queue, one: Wanted, now: datetime, *, created_by: str) -> QueueItem:
    key = ids.uuid7()
    begins = max(one.available_at, now) if one.available_at is not None else now
    deadline = one.deadline or (begins + timedelta(seconds=queue.default_deadline) if queue.default_deadline else None)
    return QueueItem(
        id=key,
        lineage=key,
        tenant_id=queue.tenant_id,
        folder_id=queue.folder_id,
        queue=queue,
        schema_id=queue.schema_id,
        reference=one.reference,
        payload=one.payload,
        priority=one.priority if one.priority is not None else queue.default_priority,
        **({"available_at": one.available_at} if begins > now else {}),
        deadline=deadline,
        late_at=begins + timedelta(seconds=queue.sla) if queue.sla else None,
        tags=list(one.tags),
        created_by=created_by,
    )
