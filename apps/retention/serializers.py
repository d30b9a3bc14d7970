"""What lies in the bin, as callers see it."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from django.utils.dateparse import parse_datetime
from rest_framework import serializers

from apps.core.api.pagination import Cursor, bad_cursor
from apps.retention.models.bins import BIN, Binned

_ORDER: Final = "-deleted_at"
_LONGEST_CURSOR: Final = 500


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


def cursor_after(row: Binned) -> str:
    """Return where the bin goes on behind a row."""
    return Cursor(_ORDER, False, [row.deleted_at.isoformat(), str(row.id)]).encode()


def after_of(text: str) -> tuple[datetime, UUID]:
    """Return the place that a cursor names. Raises ``Invalid`` for anything that is not ours."""
    if len(text) > _LONGEST_CURSOR:
        raise bad_cursor()
    cursor = Cursor.decode(text)
    try:
        moment, row = cursor.key
        at, identity = parse_datetime(moment), UUID(row)
    except ValueError as error:
        raise bad_cursor() from error
    if at is None or at.tzinfo is None or cursor.ordering != _ORDER:
        raise bad_cursor()
    return at, identity
