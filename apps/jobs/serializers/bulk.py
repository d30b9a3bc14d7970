"""Changes to many jobs at once."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.core.api.identifiers import IdField
from apps.core.api.serializers import InputSerializer, MomentField, OutputSerializer
from apps.jobs.models import BulkAction, BulkChange, JobStatus

MOST_VALUES = 1000


class JobFiltersIn(InputSerializer):
    """Which jobs; a job must fit everything that is named. At least one filter is."""

    status = serializers.ListField(
        child=serializers.ChoiceField(JobStatus.choices), required=False, max_length=MOST_VALUES
    )
    reason = serializers.ListField(child=serializers.CharField(max_length=40), required=False, max_length=MOST_VALUES)
    process = serializers.ListField(child=IdField(), required=False, max_length=MOST_VALUES)
    folder = serializers.ListField(child=IdField(), required=False, max_length=MOST_VALUES)
    package_version = serializers.ListField(child=IdField(), required=False, max_length=MOST_VALUES)
    created_after = MomentField(required=False)
    created_before = MomentField(required=False)
    jobs = serializers.ListField(child=IdField(), required=False, max_length=MOST_VALUES, help_text="By id.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        named = {name: value for name, value in attrs.items() if value != []}
        if not named:
            raise serializers.ValidationError("Name at least one filter.", code="no_filter")
        return named


class PreviewBulkChange(InputSerializer):
    action = serializers.ChoiceField(BulkAction.choices)
    filters = JobFiltersIn()


class RequestBulkChange(PreviewBulkChange):
    priority = serializers.IntegerField(
        min_value=-1000, max_value=1000, required=False, help_text="For *prioritise*, and only there."
    )
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class BulkPreview(serializers.Serializer):
    """How many jobs a change would concern now."""

    count = serializers.IntegerField()


class BulkChangeOut(OutputSerializer):
    """A change to many jobs, worked off in the background."""

    filters = serializers.DictField()
    requested_by = serializers.CharField(source="requested_by.username", allow_null=True, default=None)

    class Meta:
        model = BulkChange
        fields = [
            "id", "tenant", "status", "action", "filters", "priority", "reason", "expected", "done", "refused",
            "problem", "requested_by", "created_at", "finished_at",
        ]  # fmt: skip
