"""What holders say about the items they work on: that they go on, how far they are, and how it ended."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotFound, Problem
from apps.events import services as events
from apps.queues.models import ItemLease, ItemStatus, QueueItem
from apps.queues.rules.outcomes import Outcome
from apps.queues.services import _settling
from apps.queues.services._settling import Answer, Report, Reported, Settled
from apps.queues.services._telling import facts_of
from apps.queues.services.taking import MOST_AT_ONCE
from apps.rbac import services as rbac


class LeaseOver(Conflict):
    """The lease is no longer held; ``current`` in the answer says how it ended."""

    code = "lease_over"


def find_lease(lease_id: UUID, *, actor: Actor) -> ItemLease:
    """Return the lease of this holder. Raises ``NotFound``, alike for all that is not its own."""
    lease = _leases([lease_id], actor).get(lease_id)
    if lease is None:
        raise NotFound("There is no such lease.", code="unknown")
    return lease


def find_leases(lease_ids: Sequence[UUID], *, actor: Actor) -> list[ItemLease]:
    """Return the leases that reports name, in their order. Raises ``Invalid``, alike for all that is not its own."""
    found = _leases(lease_ids, actor)
    problems = [
        Problem(f"reports.{number}.lease", "there is no such lease of yours.", "unknown")
        for number, one in enumerate(lease_ids)
        if one not in found
    ]
    if problems:
        raise Invalid("; ".join(f"{p.field}: {p.message}" for p in problems[:10]), problems=problems)
    return [found[one] for one in lease_ids]


def _leases(lease_ids: Sequence[UUID], actor: Actor) -> dict[UUID, ItemLease]:
    leases = ItemLease.objects.select_related("item__queue__folder").in_bulk(lease_ids, field_name="lease_id")
    return {key: lease for key, lease in leases.items() if _is_held_by(lease, actor)}


def _is_held_by(lease: ItemLease, actor: Actor) -> bool:
    """Whether an actor took the item: a running job what it took itself, its robot and everybody else all theirs."""
    held_by = lease.execution_id if actor.is_job else lease.holder_id
    return str(held_by) == actor.id and actor.tenant_id in (None, lease.tenant_id)


@transaction.atomic
def renew_item(lease: ItemLease, *, actor: Actor, progress: dict[str, Any] | None = None) -> ItemLease:
    """Hold an item for longer, by its queue's time, and note how far the work is. Raises ``LeaseOver``."""
    rbac.require(actor, "queues.take_queueitem", lease.item.queue)
    # Within an execution its lease has no end of its own.
    until = None if lease.execution_id else Now() + timedelta(seconds=lease.item.queue.lease_seconds)
    if not ItemLease.objects.filter(pk=lease.pk, closed_at=None).update(expires_at=until):
        raise LeaseOver("This lease is over.", current=lease.outcome)
    if progress is not None:
        QueueItem.objects.filter(pk=lease.item_id).update(progress=progress)
        events.record("item.progressed", lease.item, data=facts_of(lease.item))
    lease.refresh_from_db(fields=["expires_at"])
    return lease


@transaction.atomic
def finish_item(lease: ItemLease, *, actor: Actor, report: Report) -> Settled:
    """Take a holder's report of how its work on an item ended, and make another try where the queue says so.

    The same report again gets the same answer. A late success counts where nobody has begun again; what else comes too
    late is kept aside with its lease. Raises ``Invalid``.
    """
    rbac.require(actor, "queues.take_queueitem", lease.item.queue)
    _settling.refuse_malformed(report)
    done = _settling.finish_done([(lease, report)])
    return Settled(Answer.ACCEPTED, done[lease.pk]) if done else _finish_one(lease, report)


@transaction.atomic
def finish_items(reports: Sequence[Reported], *, actor: Actor) -> list[Settled]:
    """Take a holder's reports about several items, at most 100; each counts, or does not, as if it had come alone.

    Raises ``Invalid``, and nothing is settled, where one of them says too much or too little.
    """
    for queue in {lease.item.queue_id: lease.item.queue for lease, _ in reports}.values():
        rbac.require(actor, "queues.take_queueitem", queue)
    _refuse_any_malformed(reports)
    if any(report.outcome != Outcome.DONE for _, report in reports):
        _settling.lock_in_order(lease for lease, _ in reports)
    done = _settling.finish_done(reports)
    return [
        Settled(Answer.ACCEPTED, done[lease.pk]) if lease.pk in done else _finish_one(lease, report)
        for lease, report in reports
    ]


def _refuse_any_malformed(reports: Sequence[Reported]) -> None:
    problems = []
    if not 0 < len(reports) <= MOST_AT_ONCE:
        problems.append(Problem("reports", f"report on between 1 and {MOST_AT_ONCE} items."))
    if len({lease.pk for lease, _ in reports}) < len(reports):
        problems.append(Problem("reports", "say only once how a lease ended."))
    for number, (_, report) in enumerate(reports):
        problems += [Problem(f"reports.{number}.{one.field}", one.message) for one in _settling.problems_of(report)]
    if problems:
        raise Invalid("; ".join(f"{p.field}: {p.message}" for p in problems[:10]), problems=problems)


def _finish_one(lease: ItemLease, report: Report) -> Settled:
    """Settle what is no plain success: a failure, a report that was made before, or one that comes too late."""
    item, lease = _settling.lock_of(lease)
    if lease.closed_at is None:
        return _settling.settle(item, lease, report)
    if lease.result_digest == report.digest:
        return Settled(Answer.REPEATED, item, item.retries.first())
    if lease.result_digest:
        return _keep_aside(Answer.CONFLICT, item, lease, report)
    if not _may_be_adopted(item, lease, report):
        return _keep_aside(Answer.LATE, item, lease, report)
    item.move_to(ItemStatus.IN_PROGRESS)
    events.record("item.adopted", item, data=facts_of(item, lease=lease.lease_id))
    return dataclasses.replace(_settling.settle(item, lease, report), answer=Answer.ADOPTED)


def _may_be_adopted(item: QueueItem, lease: ItemLease, report: Report) -> bool:
    """Whether a success that came too late spares another the work: nobody was given the item since."""
    if report.outcome != Outcome.DONE or item.status != ItemStatus.NEW or item.deleted_at is not None:
        return False
    return not ItemLease.objects.filter(item=item, pk__gt=lease.pk).exists()


def _keep_aside(answer: Answer, item: QueueItem, lease: ItemLease, report: Report) -> Settled:
    """Keep what does not count, so that nothing that was delivered is thrown away."""
    ItemLease.objects.filter(pk=lease.pk).update(late_report=asdict(report))
    events.record("item.reported_late", item, data=facts_of(item, lease=lease.lease_id, answer=answer))
    return Settled(answer, item)
