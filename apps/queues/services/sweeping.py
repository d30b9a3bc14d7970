"""Taking items back from holders that vanished."""

from __future__ import annotations

from django.db import transaction

from apps.core.actors import Actor
from apps.queues.models import ItemLease
from apps.queues.services._settling import VANISHED, lock_of, settle
from apps.rbac import services as rbac


@transaction.atomic
def sweep_lease(lease: ItemLease, *, actor: Actor) -> bool:
    """Close a lease that ran out and give its item back, or park it. Returns whether there was anything to do."""
    rbac.require(actor, "queues.sweep_queueitem", lease.queue)
    item, lease = lock_of(lease)
    if not ItemLease.objects.overdue().filter(pk=lease.pk).exists():
        return False
    settle(item, lease, VANISHED)
    return True
