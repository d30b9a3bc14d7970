"""Controls in which JSON is typed."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from unfold import widgets

from apps.core.api import strict_json
from apps.core.errors import DomainError


class JsonText(forms.JSONField):
    """Any value, typed as JSON that is as clean as programs have to send it."""

    def __init__(self, **kwargs: Any) -> None:
        widget = widgets.UnfoldAdminTextareaWidget(attrs={"rows": 4, "class": _json_classes(), "spellcheck": "false"})
        super().__init__(widget=widget, **kwargs)

    def to_python(self, value: Any) -> Any:
        """Read what was typed; nothing at all is no value."""
        if value is None or not str(value).strip():
            return None
        try:
            return strict_json.parse_json_bytes(str(value).encode(errors="replace"))
        except DomainError as refusal:
            raise forms.ValidationError(str(refusal).replace("The body", "This")) from refusal

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Show again what was typed, letter by letter: reading it might drop something, or fail."""
        return None if data is None else forms.fields.InvalidJSONInput(data)

    def prepare_value(self, value: Any) -> Any:
        """Lay it out over lines, so that it can be read."""
        if value is None or isinstance(value, forms.fields.InvalidJSONInput):
            return value
        return json.dumps(value, indent=2, ensure_ascii=False)


class JsonObject(JsonText):
    """An object, typed as JSON."""

    def clean(self, value: Any) -> Any:
        """Refuse what is no object."""
        found = super().clean(value)
        if found not in (None, "") and not isinstance(found, dict):
            raise forms.ValidationError("Type an object: names and values in braces.")
        return found


def _json_classes() -> str:
    return " ".join([*widgets.TEXTAREA_CLASSES, "op-json"])
