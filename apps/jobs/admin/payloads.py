"""Drawing a form out of what a queue says payloads must look like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django import forms

from apps.core.admin.typed_json import JsonText
from apps.jobs.admin.parameters import ParameterForm

PREFIX: Final = "payload"
#: Keywords of a schema whose values are schemas by name, schemas in a list, and one schema.
_BY_NAME, _LISTED, _SINGLE = ("properties", "$defs"), ("anyOf", "prefixItems"), ("items",)


class PayloadForm(ParameterForm):
    """The controls of a payload. A schema that says nothing of properties, or is none, leaves JSON to be typed."""

    prefix = PREFIX
    rest_labels = ("Payload", "More of the payload")
    rest_help = 'By name, as JSON: {"customer": "ACME"}. What the schema does not name.'

    def __init__(self, document: Any, *, as_json: bool = False) -> None:
        schema = _plain(document)
        self.is_drawn = not as_json and bool(schema.get("properties")) and schema.get("type", "object") == "object"
        super().__init__(schema if self.is_drawn else {}, {})

    @property
    def fields(self) -> dict[str, forms.Field]:
        """The controls by name."""
        if self.is_drawn:
            return super().fields
        return {PREFIX: JsonText(label="Payload", required=False, help_text='Any JSON, such as {"customer": "ACME"}.')}

    def read(self, cleaned: Mapping[str, Any]) -> Any:
        """Return the payload that a valid form holds."""
        return super().read(cleaned) if self.is_drawn else cleaned.get(PREFIX)


def _plain(schema: Any) -> dict[str, Any]:
    """Return a schema that somebody wrote in the words that controls are drawn from; nothing of ``true`` and ``false``.

    Whatever else it asks for is checked when the item is added.
    """
    if not isinstance(schema, Mapping):
        return {}
    plain = {name: value for name, value in schema.items() if not name.startswith("x-")}
    plain |= {name: {key: _plain(one) for key, one in plain[name].items()} for name in _BY_NAME if name in plain}
    plain |= {name: [_plain(one) for one in plain[name]] for name in _LISTED if name in plain}
    plain |= {name: _plain(plain[name]) for name in _SINGLE if name in plain}
    if isinstance(plain.get("additionalProperties"), Mapping):
        plain["additionalProperties"] = _plain(plain["additionalProperties"])
    if "properties" in plain:
        # The database keeps no order of names: what is required goes first.
        required = [name for name in schema.get("required", ()) if name in plain["properties"]]
        plain["x-order"] = [*required, *(name for name in plain["properties"] if name not in required)]
    return _without_type_list(plain)


def _without_type_list(schema: dict[str, Any]) -> dict[str, Any]:
    """Word ``"type": ["string", "null"]`` as one type or nothing."""
    types = schema.get("type")
    if not isinstance(types, list):
        return schema
    bare = {name: value for name, value in schema.items() if name not in ("type", "title", "description", "default")}
    said = {name: schema[name] for name in ("title", "description", "default") if name in schema}
    return said | {"anyOf": [{**bare, "type": one} for one in types]}
