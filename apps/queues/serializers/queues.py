"""Queues."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.core.api.rows import ChangeSerializer, RowField, RowRef
from apps.core.api.serializers import InputSerializer, NameField, OutputSerializer
from apps.queues.models import ErrorType, ItemStatus, Queue, QueueSchema, UniqueReferences
from apps.queues.models.queues import HIGHEST_PRIORITY, LONGEST_LEASE, LOWEST_PRIORITY, SHORTEST_LEASE
from apps.tenancy.models import Folder

#: What a column of whole seconds can hold.
LARGEST = 2_147_483_647
PRIORITY: dict[str, Any] = {
    "min_value": LOWEST_PRIORITY,
    "max_value": HIGHEST_PRIORITY,
    "help_text": "Higher is handed out sooner.",
}


class SchemaField(serializers.JSONField):
    """A JSON Schema, of draft 2020-12. The service says what is wrong with it."""


class SchemaRef(serializers.Serializer):
    """The version of what payloads must look like."""

    number = serializers.IntegerField()
    document = serializers.JSONField()


class QueueOut(OutputSerializer):
    """A place where items wait, with the rules by which they are handed out and tried again."""

    folder = RowRef()
    schema = SchemaRef(allow_null=True, help_text="What payloads must look like now.")

    class Meta:
        model = Queue
        fields = [
            "id", "tenant", "folder", "name", "description", "max_attempts", "backoff_base", "backoff_cap",
            "backoff_jitter", "unique_references", "unique_window", "default_priority", "sla", "default_deadline",
            "lease_seconds", "most_crashes", "retention_days", "encrypted", "paused", "paused_reason", "schema",
            "created_at",
        ]  # fmt: skip


class QueueSchemaOut(OutputSerializer):
    """One version of what payloads must look like."""

    document = serializers.JSONField()

    class Meta:
        model = QueueSchema
        fields = ["id", "number", "document", "made_by", "created_at"]


def _seconds(text: str, **more: Any) -> serializers.IntegerField:
    bounds = {"min_value": 1, "max_value": LARGEST} | more
    return serializers.IntegerField(required=False, help_text=text, **bounds)


class CreateQueue(InputSerializer):
    name = NameField(max_length=100)
    folder = RowField(Folder.objects.alive(), required=False, help_text="Where it lives.")
    description = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    max_attempts = serializers.IntegerField(
        min_value=1, max_value=100, required=False, help_text="All tries at an item, the first included."
    )
    backoff_base = _seconds("Seconds before the second try; doubles each time.", min_value=0)
    backoff_cap = _seconds("Seconds a wait never exceeds.", min_value=0)
    backoff_jitter = serializers.BooleanField(required=False, help_text="Spread waits at random.")
    unique_references = serializers.ChoiceField(UniqueReferences.choices, required=False)
    unique_window = _seconds("Seconds for which a reference stays taken, with `window`.", allow_null=True)
    default_priority = serializers.IntegerField(required=False, **PRIORITY)
    sla = _seconds("Seconds after which an unfinished item counts as late.", allow_null=True)
    default_deadline = _seconds("Seconds an item has that names no deadline.", allow_null=True)
    lease_seconds = _seconds(
        "How long an item taken outside a job is held without being renewed.",
        min_value=SHORTEST_LEASE,
        max_value=LONGEST_LEASE,
    )
    most_crashes = serializers.IntegerField(
        min_value=1, max_value=100, required=False, help_text="An item whose holder vanished so often is parked."
    )
    retention_days = serializers.IntegerField(
        min_value=1, max_value=LARGEST, required=False, allow_null=True, help_text="For how long finished items stay."
    )
    encrypted = serializers.BooleanField(
        required=False, help_text="Keep payloads encrypted. Refused until there are keys to do it with."
    )
    schema = SchemaField(
        required=False, allow_null=True, help_text="What payloads must look like; null takes anything."
    )


class UpdateQueue(ChangeSerializer, CreateQueue):
    folder = None  # type: ignore[assignment]


class TakeItems(InputSerializer):
    count = serializers.IntegerField(min_value=1, max_value=100, default=1, help_text="At most so many.")


class Tally(serializers.Serializer):
    """How many, counted no further than is of use."""

    count = serializers.IntegerField()
    is_capped = serializers.BooleanField(help_text="There are more than were counted.")
    shown = serializers.CharField(help_text="For people, such as `10,000+`.")


class EndsOut(serializers.Serializer):
    """How many items ended in one way."""

    status = serializers.ChoiceField(ItemStatus.choices)
    error_type = serializers.ChoiceField(ErrorType.choices, allow_blank=True)
    error_code = serializers.CharField(allow_blank=True)
    count = serializers.IntegerField()


class StatisticsOut(serializers.Serializer):
    """How a queue is doing. The last day is that of what ended in it; retried tries are counted apart."""

    waiting = Tally(help_text="Could be handed out now.")
    postponed = Tally(help_text="Wait for their time.")
    in_progress = Tally()
    late = Tally(help_text="Unfinished after the queue's `sla`.")
    oldest_waiting_at = serializers.DateTimeField(allow_null=True, help_text="Since when the oldest could have begun.")
    oldest_waiting_seconds = serializers.FloatField(allow_null=True)
    since = serializers.DateTimeField(help_text="Beginning of the day, or of what was counted of it.")
    is_sampled = serializers.BooleanField(help_text="More ended in the day than was counted: these are the newest.")
    done = serializers.IntegerField()
    failed = serializers.IntegerField()
    abandoned = serializers.IntegerField()
    retried = serializers.IntegerField(help_text="Tries that failed and were made again; not among the failed.")
    ends = EndsOut(many=True, help_text="By kind and code of error, the most frequent first.")
    average_seconds = serializers.FloatField(allow_null=True, help_text="From being handed out to the end.")
    p95_seconds = serializers.FloatField(allow_null=True, help_text="19 of 20 took no longer.")
    added_per_hour = serializers.FloatField(help_text="Of the last hour.")
    finished_per_hour = serializers.FloatField(help_text="Of the last hour.")
    empty_in_seconds = serializers.FloatField(allow_null=True, help_text="Null: not at this pace.")
    forecast = serializers.CharField(help_text="The same in words.")
