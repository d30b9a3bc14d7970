"""What operators do to items: try again, postpone, put first, review, delete."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid
from apps.events import services as events
from apps.queues.models import ItemStatus, QueueItem, ReviewStatus
from apps.queues.models.queues import HIGHEST_PRIORITY, LOWEST_PRIORITY
from apps.queues.services._settling import retry
from apps.queues.services._telling import facts_of
from apps.queues.services.adding import refuse_closed
from apps.rbac import services as rbac

FURTHEST_AHEAD = timedelta(days=366)
LONGEST_COMMENT = 10_000


class ItemNotOver(Conflict):
    """Only an item that has failed or was abandoned can be tried again."""

    code = "item_not_over"


class HasSuccessor(Conflict):
    """The item was tried again already; ``item`` in the answer is that try."""

    code = "has_successor"


class ItemBegun(Conflict):
    """Somebody works on the item, or did: it waits no more."""

    code = "item_begun"


@transaction.atomic
def requeue_item(item: QueueItem, *, actor: Actor) -> QueueItem:
    """Try a failed or abandoned item again at once, counting its attempts anew; returns the new try.

    The old one keeps its outcome and is named by the new one. Raises ``ItemNotOver``, ``HasSuccessor`` and
    ``QueueClosed``.
    """
    rbac.require(actor, "queues.requeue_queueitem", item)
    _lock(item)
    refuse_closed(item.queue)
    if item.status not in {ItemStatus.FAILED, ItemStatus.ABANDONED}:
        raise ItemNotOver(f"The item is {item.get_status_display()}. Only a failed one is tried again.")
    successor = item.retries.first()
    if successor is not None:
        raise HasSuccessor("The item was tried again already.", item=str(successor.pk))
    again = retry(item, attempt=1, delayed=False)
    QueueItem.objects.filter(pk=item.pk, review_status=ReviewStatus.OPEN).update(review_status=ReviewStatus.RETRIED)
    audit.record(actor, "item.requeued", item, after={"item": str(again.pk)})
    return again


@transaction.atomic
def postpone_item(item: QueueItem, *, actor: Actor, until: datetime) -> QueueItem:
    """Have a waiting item handed out not before ``until``; a moment in the past makes it available now.

    Raises ``ItemBegun``, ``Invalid``.
    """
    rbac.require(actor, "queues.requeue_queueitem", item)
    if until > timezone.now() + FURTHEST_AHEAD:
        raise Invalid.field("until", "lies more than a year ahead.")
    return _change_waiting(item, actor, "item.postponed", available_at=until)


@transaction.atomic
def prioritise_item(item: QueueItem, *, actor: Actor, priority: int) -> QueueItem:
    """Change how soon a waiting item is handed out. Raises ``ItemBegun``, ``Invalid``."""
    rbac.require(actor, "queues.requeue_queueitem", item)
    if not LOWEST_PRIORITY <= priority <= HIGHEST_PRIORITY:
        raise Invalid.field("priority", f"must lie between {LOWEST_PRIORITY} and {HIGHEST_PRIORITY}.")
    return _change_waiting(item, actor, "item.prioritised", priority=priority)


@transaction.atomic
def review_item(item: QueueItem, *, actor: Actor, status: str, comment: str = "") -> QueueItem:
    """Note what a person thinks of a failed item. Raises ``Invalid``, ``ItemNotOver``."""
    rbac.require(actor, "queues.review_queueitem", item)
    if status not in ReviewStatus.values:
        raise Invalid.field("status", f"there are {', '.join(ReviewStatus.values)}.")
    if len(comment) > LONGEST_COMMENT:
        raise Invalid.field("comment", f"has more than {LONGEST_COMMENT} characters.")
    _lock(item)
    if not item.is_final:
        raise ItemNotOver(f"The item is {item.get_status_display()}. Only one that is over is reviewed.")
    before = {"review_status": item.review_status}
    changes = {"review_status": status, "review_comment": comment, "reviewer": actor.name}
    QueueItem.objects.filter(pk=item.pk).update(**changes)
    item.refresh_from_db(fields=list(changes))
    audit.record(actor, "item.reviewed", item, before=before, after={"review_status": status})
    events.record("item.reviewed", item, data=facts_of(item))
    return item


@transaction.atomic
def delete_item(item: QueueItem, *, actor: Actor) -> None:
    """Take an item out of its queue. One that somebody works on is left to its end first. Raises ``ItemBegun``."""
    rbac.require(actor, "queues.delete_queueitem", item)
    _lock(item)
    if item.status == ItemStatus.IN_PROGRESS:
        raise ItemBegun("Somebody works on this item. Wait for its end.")
    if item.deleted_at is None:
        QueueItem.objects.filter(pk=item.pk).update(deleted_at=Now())
        audit.record(actor, "item.deleted", item, before={"status": item.status, "reference": item.reference})
        events.record("item.deleted", item, data=facts_of(item), actor=actor)


def _change_waiting(item: QueueItem, actor: Actor, action: str, **changes: Any) -> QueueItem:
    waiting = QueueItem.objects.alive().filter(pk=item.pk, status=ItemStatus.NEW)
    before = {name: str(getattr(item, name)) for name in changes}
    if not waiting.update(**changes):
        raise ItemBegun("The item waits no more.", current=item.status)
    item.refresh_from_db(fields=["status", *changes])
    audit.record(actor, action, item, before=before, after={name: str(value) for name, value in changes.items()})
    events.record(action, item, data=facts_of(item), actor=actor)
    return item


def _lock(item: QueueItem) -> None:
    item.lock()
    if item.deleted_at is not None:
        raise Conflict("The item was deleted.", code="item_deleted")
