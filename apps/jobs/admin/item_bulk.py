"""Changing every item that matches a list's filters."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin

from apps.core.actors import Actor
from apps.core.admin import display
from apps.core.admin.forms import MomentInput, OperatorForm
from apps.core.admin.operations import Creation
from apps.jobs.admin import item_filters
from apps.jobs.admin.bulk import Asked, BulkAdmin, Followed
from apps.queues import services
from apps.queues.models import (
    ItemBulkAction,
    ItemBulkChange,
    ItemStatus,
    Queue,
    QueueItem,
    ReviewStatus,
    changeable_items,
)
from apps.queues.models.queues import HIGHEST_PRIORITY, LOWEST_PRIORITY
from apps.rbac import services as rbac
from apps.tenancy.models import Folder

ITEMS = Followed(
    model=QueueItem,
    keys={
        "status__exact": "status",
        "queue__id__exact": "queue",
        "folder__id__exact": "folder",
        "review_status__exact": "review_status",
        "error_type__exact": "error_type",
        "reference": "reference",
        "tag": "tag",
    },
    places=(("queue__id__exact", Queue, "of"), ("folder__id__exact", Folder, "in the folder")),
    statuses=dict(ItemStatus.choices),
    in_words={"q": "the search", "priority": "the priority", "job": "the job"},
    followed="queue, status, review, kind of error, reference, tag, folder, tenant or time",
    default_window=item_filters.default_window,
)
#: What only one action needs.
_OF_ACTION = {
    "priority": ItemBulkAction.PRIORITISE,
    "available_at": ItemBulkAction.POSTPONE,
    "review_status": ItemBulkAction.REVIEW,
    "review_comment": ItemBulkAction.REVIEW,
}


class ItemBulkForm(OperatorForm):
    """Asks what shall be done to all of them, and for what only that needs."""

    action = forms.ChoiceField(choices=ItemBulkAction.choices, widget=forms.RadioSelect, label="Do what?")
    priority = forms.IntegerField(
        required=False, min_value=LOWEST_PRIORITY, max_value=HIGHEST_PRIORITY, help_text="Only to change the priority."
    )
    available_at = forms.DateTimeField(
        required=False, widget=MomentInput(), label="Until", help_text="Only to postpone. In your time zone."
    )
    review_status = forms.ChoiceField(
        required=False, choices=[("", "–"), *ReviewStatus.choices], label="Review", help_text="Only to review."
    )
    review_comment = forms.CharField(required=False, max_length=4000, label="Comment", help_text="Only to review.")
    reason = forms.CharField(required=False, max_length=500, help_text="Optional. It is kept in the audit trail.")

    def offer(self) -> None:
        """Offer the actions that the person may take anywhere, each with how many items it would concern."""
        asked: Asked | None = self.place
        field: Any = self.fields["action"]
        held = [action for action in ItemBulkAction if rbac.allows(self.actor, action.permission)]
        field.choices = [(action.value, str(action.label).capitalize()) for action in held]
        if asked is not None and asked.tenant is not None and _is_sensible(asked):
            field.choices = [(action.value, _counted(asked, action, self.actor)) for action in held]

    def clean(self) -> dict[str, Any]:
        """Add what the list showed, and leave out what belongs to another action."""
        values = super().clean() or self.cleaned_data
        asked: Asked | None = self.place
        if asked is not None and not _is_sensible(asked):
            raise forms.ValidationError("The list is narrowed by something that there is not. Go back to it.")
        mine = {name for name, action in _OF_ACTION.items() if action == values.get("action")}
        kept = {name: value for name, value in values.items() if name not in _OF_ACTION or name in mine}
        return {**kept, "asked": asked}


def _is_sensible(asked: Asked) -> bool:
    """Whether all ids in an address are ids; who types others is told, and nothing breaks."""
    return all(_is_id(value) for name in ("queue", "folder") for value in asked.filters.get(name, ()))


def _is_id(text: str) -> bool:
    try:
        forms.UUIDField().clean(text)
    except forms.ValidationError:
        return False
    return True


def _counted(asked: Asked, action: ItemBulkAction, actor: Actor) -> str:
    assert asked.tenant is not None
    count = changeable_items(asked.tenant.pk, actor=actor, action=action, filters=asked.filters).count()
    return f"{str(action.label).capitalize()}: {count} item{'' if count == 1 else 's'}"


def _make(actor: Actor, values: dict[str, Any]) -> tuple[ItemBulkChange, None]:
    asked: Asked = values.pop("asked")
    action = ItemBulkAction(values.pop("action"))
    filters: Any = asked.filters
    return services.request_item_change(asked.tenant, actor=actor, action=action, filters=filters, **values), None  # type: ignore[arg-type]


@admin.register(ItemBulkChange)
class ItemBulkChangeAdmin(BulkAdmin):
    """Requests to change many items at once, and how far they are."""

    followed = ITEMS
    permissions = sorted({action.permission for action in ItemBulkAction})
    view_permission = "queues.view_queueitem"
    empty_text = "Narrow the list of items by filters, then press “Change all that match”."
    creation = Creation(
        title="Change all that match",
        permission="queues.requeue_queueitem",
        form=ItemBulkForm,
        make=_make,
        button="Start",
        icon="playlist_add_check",
        explain="It is worked off in the background. Items added after you press the button are left alone.",
        template="jobs/bulk.html",
    )

    def facts_of(self, row: ItemBulkChange) -> list[tuple[str, Any]]:
        return [
            ("Priority", row.priority),
            ("Until", display.moment(row.available_at)),
            ("Review", row.get_review_status_display() if row.review_status else display.NOTHING),
            ("Comment", row.review_comment or display.NOTHING),
        ]
