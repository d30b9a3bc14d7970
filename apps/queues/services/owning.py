"""Items that belong to a job: kept for it alone, leased with its claim, settled by its end, and freed when it is over.

Jobs and executions are plain ids here: this app knows neither. Callers hold them locked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import TextField
from django.db.models.functions import Cast, Length

from apps.core import statements
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid
from apps.events import services as events
from apps.events.rules import NEW_ID, insert_sql
from apps.queues.models import MOST_OWNED, ErrorType, ItemLease, ItemStatus, Queue, QueueItem
from apps.queues.rules.outcomes import Outcome
from apps.queues.services._settling import VANISHED, Report, lock_of, settle
from apps.queues.services._telling import FACTS, facts_of
from apps.rbac import services as rbac

LARGEST_OWNED = 4 * 1024 * 1024
"""Bytes of all payloads of one job: they are delivered with it."""

_WHO = {"actor_kind": "%(actor_kind)s", "actor_id": "%(actor_id)s"}
_RESERVE = f"""
    WITH reserved AS (
        UPDATE queues_queueitem i SET reserved_for = w.job_id
        FROM unnest(%(items)s::uuid[], %(jobs)s::uuid[]) AS w (item_id, job_id)
        WHERE i.id = w.item_id AND i.status = 'new' AND i.reserved_for IS NULL
        RETURNING i.id, i.tenant_id, i.folder_id, i.queue_id, i.status, i.attempt, i.lineage, w.job_id
    ), told AS (
        {insert_sql("item.reserved", kind="queueitem", source="reserved",
                    data=f"jsonb_build_object({FACTS}, 'job', job_id)", **_WHO)}
    )
    SELECT count(*) FROM reserved
"""  # fmt: skip
#: The jobs are named twice so that the planner takes the small index of reserved items whatever it knows of the table.
_LEASE = f"""
    WITH taken AS (
        UPDATE queues_queueitem i SET status = 'in_progress', taken_at = statement_timestamp(), job_id = w.job_id,
            progress = NULL
        FROM unnest(%(jobs)s::uuid[], %(executions)s::uuid[]) AS w (job_id, execution_id)
        WHERE i.reserved_for = w.job_id AND i.reserved_for = ANY(%(jobs)s::uuid[]) AND i.reserved_for IS NOT NULL
          AND i.status = 'new' AND i.deleted_at IS NULL
        RETURNING i.id, i.tenant_id, i.folder_id, i.queue_id, i.status, i.attempt, i.lineage, w.execution_id
    ), leased AS (
        INSERT INTO queues_itemlease (id, created_at, tenant_id, item_id, queue_id, lease_id, holder_kind, holder_id,
            execution_id, granted_at, outcome, result_digest)
        SELECT {NEW_ID}, statement_timestamp(), tenant_id, id, queue_id, gen_random_uuid(), 'execution',
            %(holder)s::uuid, execution_id, statement_timestamp(), '', ''
        FROM taken
    ), told AS (
        {insert_sql("item.taken", kind="queueitem", source="taken",
                    data=f"jsonb_build_object({FACTS}, 'execution', execution_id)", **_WHO)}
    )
    SELECT count(*) FROM taken
"""  # fmt: skip
_FREE = f"""
    WITH freed AS (
        UPDATE queues_queueitem SET reserved_for = NULL
        WHERE reserved_for = ANY(%(jobs)s::uuid[]) AND reserved_for IS NOT NULL AND status = 'new'
        RETURNING id, tenant_id, folder_id, queue_id, status, attempt, lineage
    ), told AS (
        {insert_sql("item.freed", kind="queueitem", source="freed", data=f"jsonb_build_object({FACTS})", **_WHO)}
    )
    SELECT count(*) FROM freed
"""  # fmt: skip

#: How what a job owns fails with it, where nobody says more.
FAILED_WITH_ITS_JOB = Report(
    Outcome.FAILED, error_type=ErrorType.APPLICATION, error_reason="The job that owned it failed."
)


class ItemsTaken(Conflict):
    """Items wait no more, or for another job; ``items`` in the answer says which, with what became of them."""

    code = "items_taken"


@transaction.atomic
def reserve_items(owners: Mapping[UUID, UUID], *, actor: Actor, tenant_id: UUID) -> None:
    """Keep waiting items for jobs; ``owners`` names for each item its job. Nobody else is given them.

    Raises ``Invalid`` for items the actor knows nothing of, and for more than a job is delivered with; ``ItemsTaken``.
    """
    known = QueueItem.objects.alive().visible_to(actor).filter(tenant_id=tenant_id, pk__in=owners)
    queues = dict(known.values_list("pk", "queue"))
    if unknown := [str(item) for item in owners if item not in queues]:
        raise Invalid.field("queue_item_ids", f"There is no such item: {unknown[0]}.")
    for queue in Queue.objects.filter(pk__in=set(queues.values())):
        rbac.require(actor, "queues.take_queueitem", queue)
    _refuse_too_much(owners)
    _refuse_taken(owners)
    facts = {"items": statements.array(owners), "jobs": statements.array(owners.values())}
    statements.execute(_RESERVE, facts | _acting(actor))


@transaction.atomic
def lease_reserved(executions: Mapping[UUID, UUID], *, actor: Actor, holder_id: UUID) -> int:
    """Lease what waits for jobs that have just been given to a robot; ``executions`` names for each job its own.

    Also what is postponed or in a paused queue: it was chosen for the job. Returns how many items there were.
    """
    facts = {
        "jobs": statements.array(executions),
        "executions": statements.array(executions.values()),
        "holder": holder_id,
    }
    [(count,)] = statements.fetch(_LEASE, facts | _acting(actor))
    return int(count)


@transaction.atomic
def settle_execution(
    execution_id: UUID, *, actor: Actor, end: str, goes_on: bool = False, failure: Report = FAILED_WITH_ITS_JOB
) -> list[QueueItem]:
    """Settle what an execution that ends still holds, in the transaction that ends it.

    What its job owns follows the job: done, or failed by the queue's rules with ``failure``; while the job ``goes_on``
    to another try it waits for that. What the execution took by itself goes back; where it vanished or failed with it,
    that counts as a crash, so that nothing circles for ever.
    """
    held = ItemLease.objects.filter(execution_id=execution_id, closed_at=None).order_by("item")
    settled = []
    for lease in held:
        item, current = lock_of(lease)
        if current.closed_at is None:
            settle(item, current, _report_of(item, end, goes_on, failure))
            settled.append(item)
    return settled


@transaction.atomic
def adopt_items(job_id: UUID, *, actor: Actor, execution_id: UUID) -> list[QueueItem]:
    """Count as done what a job owned under an execution that was lost and whose success came late.

    Only where nobody was given the item since.
    """
    adopted = []
    for lease in ItemLease.objects.filter(execution_id=execution_id, item__reserved_for=job_id).order_by("item"):
        item, lease = lock_of(lease)
        is_newest = not ItemLease.objects.filter(item=item, pk__gt=lease.pk).exists()
        if is_newest and item.status == ItemStatus.NEW and item.deleted_at is None and lease.outcome == Outcome.EXPIRED:
            item.move_to(ItemStatus.IN_PROGRESS)
            events.record("item.adopted", item, data=facts_of(item, lease=lease.lease_id))
            settle(item, lease, Report(Outcome.DONE))
            adopted.append(item)
    return adopted


@transaction.atomic
def free_items(jobs: Collection[UUID], *, actor: Actor) -> int:
    """Give everybody what still waits for jobs that are over; returns how many items that were."""
    [(count,)] = statements.fetch(_FREE, {"jobs": statements.array(jobs)} | _acting(actor))
    return int(count)


def _refuse_too_much(owners: Mapping[UUID, UUID]) -> None:
    if max(Counter(owners.values()).values()) > MOST_OWNED:
        raise Invalid.field("queue_item_ids", f"A job owns at most {MOST_OWNED} items.")
    sizes = QueueItem.objects.filter(pk__in=owners).annotate(size=Length(Cast("payload", TextField())))
    total: Counter[UUID] = Counter()
    for item, size in sizes.values_list("pk", "size"):
        total[owners[item]] += size or 0
    if max(total.values()) > LARGEST_OWNED:
        message = f"The payloads of a job's items have more than {LARGEST_OWNED} bytes. Give it fewer."
        raise Invalid.field("queue_item_ids", message)


def _refuse_taken(owners: Mapping[UUID, UUID]) -> None:
    """Lock the items and raise ``ItemsTaken`` unless all wait for nobody."""
    locked = QueueItem.objects.select_for_update().filter(pk__in=owners).order_by("pk")
    rows = locked.values_list("pk", "status", "reserved_for", "deleted_at")
    taken = {
        str(pk): "deleted" if gone else "reserved" if owner else status
        for pk, status, owner, gone in rows
        if owner or gone or status != ItemStatus.NEW
    }
    if taken:
        item, state = next(iter(taken.items()))
        raise ItemsTaken(f"The item {item} cannot be given to a job: it is {state}.", items=taken)


def _report_of(item: QueueItem, end: str, goes_on: bool, failure: Report) -> Report:
    if item.reserved_for is not None and end in {"completed", "failed"}:
        owned = Report(Outcome.DONE) if end == "completed" else failure
        return Report(Outcome.RELEASED) if goes_on else owned
    return VANISHED if end in {"failed", "lost"} else Report(Outcome.RELEASED)


def _acting(actor: Actor) -> dict[str, Any]:
    return {"actor_kind": actor.kind, "actor_id": actor.id}
