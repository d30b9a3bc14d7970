"""Items, and the leases under which somebody works on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from apps.core.api.identifiers import IdField
from apps.core.api.rows import RowField, RowRef
from apps.core.api.serializers import InputSerializer, MomentField, OutputSerializer
from apps.queues.models import ErrorType, ItemLease, Queue, QueueItem, ReviewStatus
from apps.queues.rules.outcomes import Outcome
from apps.queues.serializers.queues import PRIORITY
from apps.queues.services import MOST_ADDED, MOST_TAKEN, Answer, Report, Reported, Settled

_QUEUES = Queue.objects.alive().select_related("folder", "schema")
#: What a holder can say.
REPORTED_STATUSES = [(one.value, one.value) for one in (Outcome.DONE, Outcome.FAILED, Outcome.ABANDONED)]
REPORTED_ERRORS = [(one.value, one.label) for one in (ErrorType.APPLICATION, ErrorType.BUSINESS)]
_TRY = ["id", "attempt", "status", "error_type", "error_code", "created_at", "taken_at", "finished_at"]
_EXAMPLE = {"queue": "0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22", "reference": "INV-1", "payload": {"amount": 12.5}}


class TryOut(OutputSerializer):
    """One of the tries at the same piece of work."""

    class Meta:
        model = QueueItem
        fields = _TRY


class LeaseHistoryOut(OutputSerializer):
    """Who held an item, until when, and how that ended."""

    late_report = serializers.JSONField(help_text="What its holder said when it no longer counted.")

    class Meta:
        model = ItemLease
        fields = [
            "holder_kind", "holder_id", "execution_id", "granted_at", "expires_at", "closed_at", "outcome",
            "late_report",
        ]  # fmt: skip


class ItemRow(OutputSerializer):
    """An item in a list; what can be long is left to reading the one item."""

    queue = RowRef()
    tags = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = QueueItem
        fields = [
            "id", "tenant", "folder", "queue", "status", "reference", "priority", "available_at", "deadline",
            "late_at", "tags", "attempt", "retry_of", "lineage", "crashes", "reserved_for", "job_id", "error_type",
            "error_code", "review_status", "reviewer", "created_by", "created_at", "taken_at", "finished_at",
        ]  # fmt: skip


class ItemOut(ItemRow):
    """One try at a piece of business work, with what it is about, how it ended, and all other tries at it."""

    payload = serializers.JSONField()
    result = serializers.JSONField()
    progress = serializers.JSONField()
    schema_number = serializers.IntegerField(
        source="schema.number", default=None, allow_null=True, help_text="The version its payload was checked by."
    )
    successor = serializers.UUIDField(allow_null=True, help_text="The next try at it, where there is one.")
    tries = TryOut(many=True, help_text="All tries at this piece of work, the oldest first; at most 100.")
    leases = LeaseHistoryOut(source="lease_history", many=True, help_text="The newest first; at most 100.")

    class Meta(ItemRow.Meta):
        fields = [
            *ItemRow.Meta.fields, "payload", "result", "error_reason", "progress", "review_comment", "schema_number",
            "successor", "tries", "leases",
        ]  # fmt: skip


class WantedItem(InputSerializer):
    """What is asked of one item; what is left out is as its queue says."""

    payload = serializers.JSONField(required=False, allow_null=True, help_text="Any JSON; at most 1 MiB.")
    reference = serializers.CharField(
        max_length=200, required=False, allow_blank=True, help_text="Your own name of it, such as an invoice's number."
    )
    priority = serializers.IntegerField(required=False, **PRIORITY)
    available_at = MomentField(required=False, help_text="Not handed out before. Left out: now.")
    deadline = MomentField(required=False, help_text="Among equals the nearest goes first.")
    tags = serializers.ListField(child=serializers.CharField(max_length=63), max_length=20, required=False)


@extend_schema_serializer(examples=[OpenApiExample("An invoice", value=_EXAMPLE, request_only=True)])
class CreateItem(WantedItem):
    queue = RowField(_QUEUES)


class AddItems(InputSerializer):
    items = serializers.ListField(
        child=WantedItem(), min_length=1, max_length=MOST_ADDED, help_text="All are added, or none."
    )


class CreateItems(AddItems):
    queue = RowField(_QUEUES)


class CreatedItems(serializers.Serializer):
    """The new items, in the order in which they were asked for."""

    count = serializers.IntegerField()
    items = serializers.ListField(child=serializers.UUIDField())


class PostponeItem(InputSerializer):
    until = MomentField(help_text="Not handed out before; a moment in the past makes it available now.")


class PrioritiseItem(InputSerializer):
    priority = serializers.IntegerField(**PRIORITY)


class ReviewItem(InputSerializer):
    status = serializers.ChoiceField(ReviewStatus.choices)
    comment = serializers.CharField(required=False, allow_blank=True, default="", max_length=4000)


class LeaseOut(OutputSerializer):
    """The right to work on an item. All that is said about the work names `id`, which nobody else has."""

    id = serializers.UUIDField(source="lease_id")
    expires_at = serializers.DateTimeField(
        allow_null=True, help_text="Renew it before. Null: it lasts as long as its job's try."
    )

    class Meta:
        model = ItemLease
        fields = ["id", "granted_at", "expires_at"]


class TakenItem(ItemRow):
    """An item that was handed out, with what it is about."""

    payload = serializers.JSONField()

    class Meta(ItemRow.Meta):
        fields = [*ItemRow.Meta.fields, "payload"]


class TakenOut(LeaseOut):
    """A lease with its item."""

    item = TakenItem()

    class Meta(LeaseOut.Meta):
        fields = [*LeaseOut.Meta.fields, "item"]


class TakenItems(serializers.Serializer):
    """What was handed out, best first; nothing where nothing waits."""

    items = TakenOut(many=True)


class RenewLease(InputSerializer):
    progress = serializers.DictField(required=False, help_text="How far the work is; shown with the item.")


class FinishLease(InputSerializer):
    status = serializers.ChoiceField(REPORTED_STATUSES, help_text="How the work ended.")
    result = serializers.JSONField(required=False, allow_null=True, help_text="What came of it; at most 1 MiB.")
    error_type = serializers.ChoiceField(
        REPORTED_ERRORS,
        required=False,
        help_text="Whether another try may help (application) or not (business).",
    )
    error_code = serializers.CharField(max_length=100, required=False, allow_blank=True)
    error_reason = serializers.CharField(max_length=10_000, required=False, allow_blank=True)


class FinishLeaseNamed(FinishLease):
    lease = IdField(help_text="Which lease this is about.")


class FinishLeases(InputSerializer):
    reports = serializers.ListField(
        child=FinishLeaseNamed(), min_length=1, max_length=MOST_TAKEN, help_text="Each lease once."
    )


def report_of(asked: dict[str, Any]) -> Report:
    """Return the report that a checked body makes."""
    return Report(outcome=asked.pop("status"), **asked)


class SettledOut(serializers.Serializer):
    """What came of a report."""

    answer = serializers.ChoiceField([Answer.ACCEPTED.value, Answer.REPEATED.value, Answer.ADOPTED.value])
    item = serializers.UUIDField()
    status = serializers.CharField()
    successor = serializers.UUIDField(allow_null=True, help_text="The next try at it, where there is one.")


class SettledNamed(SettledOut):
    """What came of one of several reports. One that is late or in conflict does not count, and is kept aside."""

    lease = serializers.UUIDField()
    answer = serializers.ChoiceField([answer.value for answer in Answer])
    detail = serializers.CharField(help_text="The answer in words.")


class SettledMany(serializers.Serializer):
    """What came of several reports, in their order."""

    reports = SettledNamed(many=True)


def settled_body(settled: Settled) -> dict[str, Any]:
    """Return what a holder learns of its report."""
    return dict(SettledOut(_facts_of(settled)).data)


def settled_bodies(reports: Sequence[Reported], settled: Sequence[Settled]) -> dict[str, Any]:
    """Return what a holder learns of several reports."""
    bodies = [
        _facts_of(one) | {"lease": lease.lease_id, "detail": one.answer.in_words}
        for (lease, _), one in zip(reports, settled, strict=True)
    ]
    return dict(SettledMany({"reports": bodies}).data)


def _facts_of(settled: Settled) -> dict[str, Any]:
    return {
        "answer": settled.answer.value,
        "item": settled.item.pk,
        "status": settled.item.status,
        "successor": settled.successor.pk if settled.successor else None,
    }
