"""Ids as strangers send them."""

from __future__ import annotations

import re
from typing import Any, Final
from uuid import UUID

import django_filters
from django import forms
from rest_framework import serializers

from apps.core.api.strict_json import shown
from apps.core.errors import Invalid

NOT_AN_ID: Final = "Ids are UUIDs, such as 0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22."
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def parse_id(value: object, *, field: str = "id") -> UUID:
    """Return the id that ``value`` writes in the usual form; raises ``Invalid`` naming ``field`` for anything else."""
    if isinstance(value, UUID):
        return value
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise Invalid.field(field, f"{shown(str(value))} is not an id. {NOT_AN_ID}", code="not_an_id")
    return UUID(value)


class IdField(serializers.UUIDField):
    """An id in a body: a UUID as text. REST framework's own field would also turn any number into one."""

    default_error_messages = {"invalid": NOT_AN_ID}

    def to_internal_value(self, data: Any) -> UUID:
        if not isinstance(data, str) or not _UUID.fullmatch(data):
            self.fail("invalid", value=data)
        return UUID(data)


class _IdFormField(forms.UUIDField):
    default_error_messages = {"invalid": NOT_AN_ID}

    def to_python(self, value: Any) -> UUID | None:  # type: ignore[override]
        if value not in self.empty_values and not (isinstance(value, str) and _UUID.fullmatch(value)):
            raise forms.ValidationError(self.error_messages["invalid"], code="not_an_id")
        return super().to_python(value)


class IdFilter(django_filters.UUIDFilter):  # type: ignore[misc]
    """A filter by an id, which may be that of a related row: ``IdFilter(field_name="process_id")``."""

    field_class = _IdFormField
