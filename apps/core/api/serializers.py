"""Shapes of what comes in and what goes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cache
from typing import Any

from rest_framework import serializers
from rest_framework.settings import api_settings
from rest_framework.utils.serializer_helpers import BindingDict

from apps.core.api.strict_json import shown
from apps.core.names import clean_name


def unknown_message(name: str, known: Iterable[str], *, kind: str = "field") -> str:
    """Say that there is no such field or parameter, and which one was probably meant."""
    known = sorted(known)
    near = get_close_matches(name, known, n=1)
    hint = f"Did you mean “{near[0]}”?" if near else f"There is: {', '.join(known) or 'none'}."
    return f"There is no such {kind}. {hint}"


class InputSerializer(serializers.Serializer):
    """What a caller may send, and nothing else: an unknown field is refused by name. It never writes."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        unknown = self._unknown(data)
        try:
            value: dict[str, Any] = super().to_internal_value(data)
        except serializers.ValidationError as error:
            whole = {api_settings.NON_FIELD_ERRORS_KEY: error.detail}
            found = error.detail if isinstance(error.detail, Mapping) else whole
            raise serializers.ValidationError({**unknown, **found}) from error
        if unknown:
            raise serializers.ValidationError(unknown)
        return value

    def _unknown(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            return {}
        known = [name for name, field in self.fields.items() if not field.read_only]
        return {
            shown(str(name)): [serializers.ErrorDetail(unknown_message(str(name), known), "unknown_field")]
            for name in data
            if name not in known
        }


class OutputSerializer(serializers.ModelSerializer):
    """What a caller gets to see of a row. It never reads input, and knows nothing but the row."""

    @property
    def fields(self) -> BindingDict:
        """The fields, made once for each class: as they only read, every request can have the same."""
        return _fields_of(type(self))

    def get_fields(self) -> dict[str, serializers.Field]:
        fields = super().get_fields()
        for field in fields.values():
            field.read_only = True
        return fields


@cache
def _fields_of(kind: type[OutputSerializer]) -> BindingDict:
    made: Any = serializers.ModelSerializer.fields
    fields: BindingDict = made.func(kind())
    return fields


class NameField(serializers.CharField):
    """The name of a thing: trimmed, in one spelling (NFC), and without characters that cannot be seen."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        try:
            return clean_name(text)
        except ValueError as error:
            raise serializers.ValidationError(str(error), code="unacceptable_text") from error


class MomentField(serializers.DateTimeField):
    """A moment in ISO 8601. One without an offset is in UTC; one outside 1970 to 2199 is a mistake."""

    default_error_messages = {"range": "A moment must lie between 1970 and 2199."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default_timezone=UTC, **kwargs)

    def to_internal_value(self, value: Any) -> datetime:
        moment: datetime = super().to_internal_value(value)
        if not 1970 <= moment.year < 2200:
            self.fail("range")
        return moment
