"""JSON Schemas that people give us."""

from __future__ import annotations

from typing import Any

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from apps.core.errors import Invalid


def schema_validator(document: Any, *, mask: str | None = None) -> Draft202012Validator:
    """Return what checks values by a JSON Schema. Raises ``Invalid`` where the document is none.

    It fetches nothing from anywhere, and its patterns are matched in linear time: who writes a schema is not trusted.
    ``mask`` stands in its messages for what they would repeat of a value.
    """
    try:
        return Draft202012Validator(document, offline=True, pattern_options=RegexOptions(), mask=mask)
    except ValidationError as error:
        raise Invalid.field("schema", f"is no JSON Schema that can be used here: {error.message}") from error
