"""What cells of a table mean: moments, numbers, tags, and fields of a payload by what a schema says of them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, Final

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from apps.core.api.strict_json import parse_json_bytes
from apps.core.errors import DomainError
from apps.queues.rules.tables import Formula

_INTEGER: Final = re.compile(r"[+-]?\d{1,18}")
_NUMBER: Final = re.compile(r"[+-]?(\d{1,30}(\.\d{1,30})?|\.\d{1,30})([eE][+-]?\d{1,3})?")
_TRUE, _FALSE = {"true", "yes", "1"}, {"false", "no", "0"}
_SPLIT: Final = re.compile(r"[,;\n]")


class Unclear(ValueError):
    """A cell does not say what its column needs; the message says what would be right."""


def is_empty(cell: Any) -> bool:
    """Say whether a cell says nothing."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def text_of(cell: Any) -> str:
    """Return a cell as text, as a person would have typed it. Raises ``Unclear`` for a formula."""
    if isinstance(cell, Formula):
        raise Unclear("is a formula: put its value in its place.")
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime | date | time):
        return cell.isoformat()
    text = str(cell).strip()
    if "\0" in text:
        raise Unclear("holds a character that nothing can be kept with (NUL).")
    return text


def moment_of(cell: Any) -> datetime | None:
    """Return a moment; one without an offset is meant in the zone of whoever sends the file."""
    if isinstance(cell, datetime):
        told: datetime | None = cell
    else:
        told = _parsed(text := text_of(cell))
        if not text:
            return None
    if told is None or not 1970 < told.year < 2200:
        raise Unclear("is no date and time: write it as 2026-12-24 08:00.")
    return told if told.tzinfo is not None else timezone.make_aware(told)


def _parsed(text: str) -> datetime | None:
    try:
        day = parse_date(text)
        return datetime.combine(day, time()) if day is not None else parse_datetime(text)
    except ValueError:  # Such as the 31st of February.
        return None


def integer_of(cell: Any) -> int | None:
    """Return a whole number."""
    text = text_of(cell)
    if not text:
        return None
    if not _INTEGER.fullmatch(text):
        raise Unclear("is no whole number.")
    return int(text)


def tags_of(cell: Any) -> list[str]:
    """Return tags, which commas, semicolons or lines keep apart."""
    return [tag for part in _SPLIT.split(text_of(cell)) if (tag := part.strip())]


def json_of(cell: Any) -> Any:
    """Return what a cell says in JSON."""
    try:
        return parse_json_bytes(text_of(cell).encode())
    except DomainError as error:
        raise Unclear(f"is no JSON that can be kept: {error}") from error


def value_of(cell: Any, types: frozenset[str]) -> Any:
    """Return a field of a payload, as one of the types that a schema names; with none, text stays text."""
    text = text_of(cell)
    if not types:
        return _plain(cell, text)
    for name in (one for one in _READERS if one in types):
        try:
            return _READERS[name](cell)
        except Unclear:
            continue
    wanted = " or ".join(sorted(types - {"null"})) or "null"
    raise Unclear(f"is no {wanted}.")


def types_at(schema: Any, path: list[str]) -> frozenset[str]:
    """Return the types that a JSON Schema names for a field; none where it says nothing plain about it."""
    for name in path:
        fields = schema.get("properties") if isinstance(schema, Mapping) else None
        schema = fields.get(name) if isinstance(fields, Mapping) else None
    told = schema.get("type") if isinstance(schema, Mapping) else None
    names = [told] if isinstance(told, str) else told if isinstance(told, list) else []
    return frozenset(name for name in names if name in _READERS)


def _plain(cell: Any, text: str) -> Any:
    if isinstance(cell, bool | int):
        return cell
    if isinstance(cell, float) and math.isfinite(cell):
        return int(cell) if cell.is_integer() else cell
    return text


def _whole(cell: Any) -> int:
    told = integer_of(cell)
    if told is None:
        raise Unclear("is no whole number.")
    return told


def _number(cell: Any) -> float | int:
    text = text_of(cell)
    if _INTEGER.fullmatch(text):
        return int(text)
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise Unclear("is no number.")
    return float(text)


def _truth(cell: Any) -> bool:
    text = text_of(cell).lower()
    if text not in _TRUE | _FALSE:
        raise Unclear("is neither true nor false.")
    return text in _TRUE


def _null(cell: Any) -> None:
    if text_of(cell).lower() != "null":
        raise Unclear("is not null.")


def _json_of(kind: type) -> Any:
    def read(cell: Any) -> Any:
        told = json_of(cell)
        if not isinstance(told, kind):
            raise Unclear("is other JSON.")
        return told

    return read


#: From the narrowest to what takes everything.
_READERS: Final[dict[str, Any]] = {
    "null": _null,
    "integer": _whole,
    "number": _number,
    "boolean": _truth,
    "array": _json_of(list),
    "object": _json_of(dict),
    "string": text_of,
}
