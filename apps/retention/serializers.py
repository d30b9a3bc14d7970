"""What lies in the bin, as callers see it."""

from __future__ import annotations

from rest_framework import serializers

from apps.retention.models.bins import BIN


class BinnedOut(serializers.Serializer):
    """One row in the bin. It is restored by `POST /{kind}/{id}/restore`."""

    kind = serializers.ChoiceField(choices=list(BIN), help_text="Its collection.")
    id = serializers.UUIDField()
    name = serializers.CharField()
    tenant = serializers.UUIDField(source="tenant_id")
    folder = serializers.UUIDField(source="folder_id", allow_null=True, help_text="Of a folder: the one above it.")
    deleted_at = serializers.DateTimeField()
    deleted_by = serializers.CharField()
    purged_at = serializers.DateTimeField(source="goes_at", help_text="When it goes, as the settings are now.")


class BinPage(serializers.Serializer):
    """A page of the bin, what was deleted last first."""

    items = BinnedOut(many=True)
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True, help_text="Always empty: begin anew without a cursor.")
