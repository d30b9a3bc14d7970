"""Steps that jobs traced, as callers see them."""

from __future__ import annotations

from rest_framework import serializers

from apps.core.api.serializers import OutputSerializer
from apps.jobs.models import Span


class SpanOut(OutputSerializer):
    """A step that a job traced. Times are as the job told them."""

    duration_ms = serializers.FloatField(allow_null=True)
    input = serializers.JSONField(help_text="What was too long is `{left_out: bytes}`; so is it elsewhere.")
    output = serializers.JSONField()

    class Meta:
        model = Span
        fields = [
            "id", "span_id", "parent_span_id", "name", "status", "started_at", "ended_at", "duration_ms", "input",
            "output", "tags", "metadata",
        ]  # fmt: skip
