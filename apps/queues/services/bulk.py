"""Changing many items by filter: counted first, then worked off in the background, a batch per transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from apps.audit import services as audit
from apps.core import bulk, ids
from apps.core.actors import Actor
from apps.core.errors import Invalid, Problem
from apps.core.later import later
from apps.events import services as events
from apps.queues.models import ItemBulkAction, ItemBulkChange, QueueItem, ReviewStatus, changeable_items
from apps.queues.models.queues import HIGHEST_PRIORITY, LOWEST_PRIORITY
from apps.queues.services._many import change_batch
from apps.queues.services.changing import FURTHEST_AHEAD, LONGEST_COMMENT
from apps.rbac import services as rbac
from apps.tenancy.models import Tenant

#: What an action needs to be told; everything else belongs to another.
_NEEDED = {
    ItemBulkAction.POSTPONE: "available_at",
    ItemBulkAction.PRIORITISE: "priority",
    ItemBulkAction.REVIEW: "review_status",
}


@transaction.atomic
def request_item_change(
    tenant: Tenant,
    *,
    actor: Actor,
    action: ItemBulkAction,
    filters: dict[str, Any],
    priority: int | None = None,
    available_at: datetime | None = None,
    review_status: str = "",
    review_comment: str = "",
    reason: str = "",
) -> ItemBulkChange:
    """Ask for a change to every item of a tenant that matches and that the actor may change.

    *Prioritise* needs a ``priority``, *postpone* when items become ``available_at``, *review* a ``review_status``.
    Raises ``Invalid``.
    """
    rbac.require(actor, action.permission, None)
    told: dict[str, Any] = {"priority": priority, "available_at": available_at, "review_status": review_status}
    if problems := [*_misplaced(action, {**told, "review_comment": review_comment}), *_out_of_bounds(**told)]:
        raise Invalid("; ".join(f"{one.field}: {one.message}" for one in problems), problems=problems)
    if len(review_comment) > LONGEST_COMMENT:
        raise Invalid.field("review_comment", f"has more than {LONGEST_COMMENT} characters.")
    change = ItemBulkChange.objects.create(
        tenant=tenant,
        action=action,
        filters=filters,
        review_comment=review_comment,
        reason=reason,
        expected=changeable_items(tenant.pk, actor=actor, action=action, filters=filters).count(),
        until=ids.uuid7(),
        **bulk.asked_by(actor),
        **told,
    )
    asked = {"action": action, "filters": filters, "expected": change.expected, **_as_told(told)}
    audit.record(actor, "items.bulk_change_requested", change, after=asked, reason=reason)
    events.record("bulk_change.requested", change, data={"action": action, "expected": change.expected})
    later("queues.work_off_bulk_changes")
    return change


@transaction.atomic
def advance_item_change(change: ItemBulkChange, *, actor: Actor) -> int | None:
    """Handle the next batch; returns how many items it looked at, or ``None`` when there is nothing left to do."""
    rbac.require(actor, "queues.sweep_queueitem", change)
    step = bulk.advance(change, matching=_matching, apply=change_batch)
    if step is None:
        return None
    if step.end is not None:
        events.record("bulk_change.ended", change, data={"status": step.end, "problem": step.problem})
        return None
    return step.looked_at


def _matching(change: ItemBulkChange, requester: Actor) -> QuerySet[QueueItem]:
    action = ItemBulkAction(change.action)
    return changeable_items(change.tenant_id, actor=requester, action=action, filters=change.filters)


def _misplaced(action: ItemBulkAction, told: dict[str, Any]) -> list[Problem]:
    """Return what an action needs and was not told, and what it was told in vain."""
    needed = _NEEDED.get(action)
    problems = (
        [] if needed is None or told[needed] not in (None, "") else [Problem(needed, "is what this action needs.")]
    )
    allowed = {needed, "review_comment"} if action == ItemBulkAction.REVIEW else {needed}
    vain = [name for name, value in told.items() if value not in (None, "") and name not in allowed]
    return [*problems, *(Problem(name, f"does not belong to “{action.label}”.") for name in vain)]


def _out_of_bounds(*, priority: int | None, available_at: datetime | None, review_status: str) -> list[Problem]:
    problems = []
    if priority is not None and not LOWEST_PRIORITY <= priority <= HIGHEST_PRIORITY:
        problems.append(Problem("priority", f"must lie between {LOWEST_PRIORITY} and {HIGHEST_PRIORITY}."))
    if available_at is not None and available_at > timezone.now() + FURTHEST_AHEAD:
        problems.append(Problem("available_at", "lies more than a year ahead."))
    if review_status and review_status not in ReviewStatus.values:
        problems.append(Problem("review_status", f"there are {', '.join(ReviewStatus.values)}."))
    return problems


def _as_told(told: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) for name, value in told.items() if value not in (None, "")}
