"""Changes to many items at once."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.core.api.identifiers import IdField
from apps.core.api.serializers import InputSerializer, MomentField, OutputSerializer
from apps.queues.models import ErrorType, ItemBulkAction, ItemBulkChange, ItemStatus, ReviewStatus
from apps.queues.models.items import LONGEST_CODE, LONGEST_REFERENCE, LONGEST_TAG
from apps.queues.serializers.items import ItemRow
from apps.queues.serializers.queues import PRIORITY
from apps.queues.services.changing import LONGEST_COMMENT

MOST_VALUES = 1000
#: A preview shows so many of what would be changed.
MOST_SHOWN = 10


def _any_of(child: serializers.Field, text: str = "") -> serializers.ListField:
    return serializers.ListField(child=child, required=False, max_length=MOST_VALUES, help_text=text or None)


def _text(longest: int) -> serializers.CharField:
    return serializers.CharField(max_length=longest)


class ItemFiltersIn(InputSerializer):
    """Which items; one must fit everything that is named. At least one filter is."""

    queue = _any_of(IdField())
    folder = _any_of(IdField())
    status = _any_of(serializers.ChoiceField(ItemStatus.choices))
    reference = _any_of(_text(LONGEST_REFERENCE))
    error_type = _any_of(serializers.ChoiceField(ErrorType.choices))
    error_code = _any_of(_text(LONGEST_CODE))
    review_status = _any_of(serializers.ChoiceField(ReviewStatus.choices))
    tag = _any_of(_text(LONGEST_TAG), "Any of these.")
    created_after = MomentField(required=False)
    created_before = MomentField(required=False)
    finished_after = MomentField(required=False)
    finished_before = MomentField(required=False)
    items = _any_of(IdField(), "By id.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        named = {name: value for name, value in attrs.items() if value != []}
        if not named:
            raise serializers.ValidationError("Name at least one filter.", code="no_filter")
        return named


class PreviewItemChange(InputSerializer):
    action = serializers.ChoiceField(ItemBulkAction.choices)
    filters = ItemFiltersIn()


class RequestItemChange(PreviewItemChange):
    priority = serializers.IntegerField(
        required=False, **PRIORITY | {"help_text": "For *prioritise*, and only there. Higher is handed out sooner."}
    )
    available_at = MomentField(
        required=False, help_text="For *postpone*, and only there. A moment in the past makes items available now."
    )
    review_status = serializers.ChoiceField(
        ReviewStatus.choices, required=False, help_text="For *review*, and only there."
    )
    review_comment = serializers.CharField(
        required=False, allow_blank=True, max_length=LONGEST_COMMENT, help_text="For *review*, and only there."
    )
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class ItemPreview(serializers.Serializer):
    """How many items a change would concern now, and the newest of them."""

    count = serializers.IntegerField()
    items = ItemRow(many=True, help_text="At most ten.")


class ItemBulkChangeOut(OutputSerializer):
    """A change to many items, worked off in the background."""

    filters = serializers.DictField()
    requested_by = serializers.CharField(source="requested_by.username", allow_null=True, default=None)

    class Meta:
        model = ItemBulkChange
        fields = [
            "id", "tenant", "status", "action", "filters", "priority", "available_at", "review_status",
            "review_comment", "reason", "expected", "done", "refused", "problem", "requested_by", "created_at",
            "finished_at",
        ]  # fmt: skip
