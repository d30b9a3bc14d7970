"""Letting items go that were finished long ago, with their tries, leases and files."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Max

from apps.core.actors import Actor
from apps.core.keeping import Gone, Keeping, delete, hold
from apps.queues.models import ItemBulkChange, QueueItem, forgetting
from apps.queues.services.item_files import remove_files_of
from apps.rbac import services as rbac

#: Children first.
_WITH_ITEMS = (
    "DELETE FROM queues_itemlease WHERE item_id = ANY(%(ids)s)",
    "DELETE FROM queues_queueitem WHERE id = ANY(%(ids)s)",
)


@transaction.atomic
def forget_old_items(keeping: Keeping, *, actor: Actor, limit: int) -> Gone:
    """Delete all tries at up to ``limit`` pieces of work the last of which ended too long ago, with their leases."""
    rbac.require(actor, "queues.delete_queueitem", rbac.EVERYWHERE)
    going = forgetting.at_rest(hold(QueueItem, forgetting.old_items(keeping, limit)))
    if not going:
        return Gone()
    newest = QueueItem.objects.filter(pk__in=going).aggregate(newest=Max("finished_at"))["newest"]
    remove_files_of(going, actor=actor)
    for statement in _WITH_ITEMS:
        delete(statement, going)
    return Gone(len(going), newest)


@transaction.atomic
def forget_old_item_changes(keeping: Keeping, *, actor: Actor, limit: int) -> Gone:
    """Delete up to ``limit`` requests to change many items that were worked off long ago."""
    rbac.require(actor, "queues.delete_itembulkchange", rbac.EVERYWHERE)
    going = hold(ItemBulkChange, forgetting.old_item_changes(keeping, limit))
    delete("DELETE FROM queues_itembulkchange WHERE id = ANY(%(ids)s)", going)
    return Gone(len(going))
