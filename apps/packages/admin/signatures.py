"""Showing what an entrypoint takes and gives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.utils.html import format_html

from apps.core.admin import display
from apps.core.admin.panels import Panel, Table
from apps.packages.models import Entrypoint

#: A default longer than this is cut.
LONGEST_DEFAULT = 80


def panel_of(entrypoint: Entrypoint) -> Panel:
    """Return the panel of an entrypoint: its command, and its parameters as a table."""
    parameters = Table(
        "Parameters",
        ["Parameter", "Type", "Default", "Meaning"],
        [_row(parameter, entrypoint.input_schema) for parameter in entrypoint.signature],
        "It takes no parameters."
        if entrypoint.input_schema.get("properties") is not None
        else "It says nothing of its parameters: it takes whatever it is given.",
    )
    context = {"entrypoint": entrypoint, "parameters": parameters, "result": _kind(entrypoint.output_schema or {})}
    return Panel(f"Entrypoint {entrypoint.name}", "packages/entrypoint.html", context, icon="login")


def _row(parameter: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Any]:
    about = schema.get("properties", {}).get(parameter["name"], {})
    name = format_html("<strong>{}</strong>", parameter["name"])
    kind = format_html('<code class="op-mono">{}</code>', parameter["annotation"] or _kind(about) or "any")
    return [name, kind, _default(parameter, about), about.get("description") or display.NOTHING]


def _default(parameter: Mapping[str, Any], about: Mapping[str, Any]) -> Any:
    if parameter["required"]:
        return display.badge("required", "care")
    if about.get("x-default-hidden"):
        return "set by the code"
    text = json.dumps(parameter["default"], ensure_ascii=False)
    shown = text if len(text) <= LONGEST_DEFAULT else f"{text[:LONGEST_DEFAULT]}…"
    return format_html('<code class="op-mono">{}</code>', shown)


def _kind(schema: Mapping[str, Any]) -> str:
    """Return the type that a schema describes, in few words."""
    if "enum" in schema:
        return "one of " + ", ".join(json.dumps(value, ensure_ascii=False) for value in schema["enum"][:10])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(one) for one in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {})) or 'anything'}"
    return str(schema.get("format") or schema.get("title") or schema.get("type") or "")
