"""Taking items back from holders that vanished, and from executions that ended."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from apps.core.actors import Actor
from apps.queues.models import ErrorType, ItemLease, QueueItem
from apps.queues.rules.outcomes import Outcome
from apps.queues.services._settling import Report, lock_of, settle
from apps.rbac import services as rbac

_VANISHED = Report(Outcome.EXPIRED, error_type=ErrorType.SYSTEM, error_reason="Its holder vanished too often.")


@transaction.atomic
def sweep_lease(lease: ItemLease, *, actor: Actor) -> bool:
    """Close a lease that ran out and give its item back, or park it. Returns whether there was anything to do."""
    rbac.require(actor, "queues.sweep_queueitem", lease.queue)
    item, lease = lock_of(lease)
    if not ItemLease.objects.filter(pk=lease.pk, closed_at=None, expires_at__lt=Now()).exists():
        return False
    settle(item, lease, _VANISHED)
    return True


@transaction.atomic
def settle_execution(execution_id: UUID, *, actor: Actor, end: str, error_reason: str = "") -> list[QueueItem]:
    """Settle what an execution that ends still holds, in the transaction that ends it.

    What the job owns follows the job's own end: done, or failed by the queue's rules. What it took by itself goes
    back; where the execution vanished or failed with it, that counts as a crash, so that nothing circles for ever.
    """
    held = ItemLease.objects.filter(execution_id=execution_id, closed_at=None).select_related("queue").order_by("item")
    settled = []
    for lease in held:
        item, current = lock_of(lease)
        if current.closed_at is None:
            settle(item, current, _report_of(item, end, error_reason))
            settled.append(item)
    return settled


def _report_of(item: QueueItem, end: str, error_reason: str) -> Report:
    is_owned = item.reserved_for is not None
    if end == "completed" and is_owned:
        return Report(Outcome.DONE)
    if end == "failed" and is_owned:
        reason = error_reason or "The job that owned it failed."
        return Report(Outcome.FAILED, error_type=ErrorType.APPLICATION, error_reason=reason)
    if end in {"failed", "lost"}:
        return _VANISHED
    return Report(Outcome.RELEASED)
