"""Requests to change many items by filter, and the items that one concerns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import OuterRef, Subquery

from apps.core.actors import Actor
from apps.core.bulk import BulkRequest, BulkRequestQuerySet
from apps.queues.models.items import ItemQuerySet, ItemStatus, QueueItem, ReviewStatus
from apps.rbac import services as rbac

#: What a bulk change may filter by, and the look-up that does it.
_FILTERS = {
    "queue": "queue_id__in",
    "folder": "folder_id__in",
    "status": "status__in",
    "reference": "reference__in",
    "error_type": "error_type__in",
    "error_code": "error_code__in",
    "review_status": "review_status__in",
    "tag": "tags__overlap",
    "created_after": "created_at__gte",
    "created_before": "created_at__lt",
    "finished_after": "finished_at__gte",
    "finished_before": "finished_at__lt",
    "items": "pk__in",
}


class ItemBulkAction(models.TextChoices):
    REQUEUE = "requeue"
    POSTPONE = "postpone"
    PRIORITISE = "prioritise", "change priority"
    REVIEW = "review"
    DELETE = "delete"

    @property
    def permission(self) -> str:
        """What it takes to do this to an item."""
        match self:
            case ItemBulkAction.REVIEW | ItemBulkAction.DELETE:
                return f"queues.{self.value}_queueitem"
            case _:
                return "queues.requeue_queueitem"

    @property
    def concerns(self) -> tuple[ItemStatus, ...]:
        """The states in which this does something; other items that a filter names are left alone and not counted."""
        match self:
            case ItemBulkAction.REQUEUE:
                return (ItemStatus.FAILED, ItemStatus.ABANDONED)
            case ItemBulkAction.REVIEW:
                return (ItemStatus.DONE, ItemStatus.FAILED, ItemStatus.ABANDONED)
            case ItemBulkAction.DELETE:
                return (ItemStatus.NEW, ItemStatus.DONE, ItemStatus.FAILED, ItemStatus.ABANDONED)
            case _:
                return (ItemStatus.NEW,)


def changeable_items(
    tenant_id: UUID, *, actor: Actor, action: ItemBulkAction, filters: Mapping[str, Any]
) -> ItemQuerySet:
    """Return the items of a tenant that a bulk change would concern, as far as the actor may change them.

    Unknown names of filters are the caller's mistake (``KeyError``).
    """
    named = {_FILTERS[name]: value for name, value in filters.items() if value not in (None, "", [])}
    items = QueueItem.objects.alive().filter(**named).filter(tenant_id=tenant_id, status__in=action.concerns)
    if action == ItemBulkAction.REQUEUE:
        # Looked up for each: the planner expects no retries where there were none, and would walk through all of them.
        successor = QueueItem._base_manager.filter(retry_of=OuterRef("pk")).values("pk")[:1]
        items = items.alias(tried_again=Subquery(successor)).filter(tried_again=None, queue__deleted_at=None)
    return rbac.visible(items, actor, action.permission)


class ItemBulkChangeQuerySet(BulkRequestQuerySet["ItemBulkChange"]):
    def visible_to(self, actor: Actor) -> ItemBulkChangeQuerySet:
        """Return the changes of the tenants the actor sees as a whole, and those it asked for."""
        known = rbac.visible(self.model._base_manager.all(), actor, "queues.view_queueitem")
        return self.known_or_own(known, actor)  # type: ignore[return-value]


class ItemBulkChange(BulkRequest):
    """One request to change many items by filter, worked off in the background in batches."""

    action = models.CharField(max_length=12, choices=ItemBulkAction)
    priority = models.SmallIntegerField(null=True)
    available_at = models.DateTimeField(null=True, help_text="Until when items are postponed.")
    review_status = models.CharField(max_length=12, choices=ReviewStatus, blank=True)
    review_comment = models.TextField(blank=True)

    objects = ItemBulkChangeQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.get_action_display()}: {self.expected}"
