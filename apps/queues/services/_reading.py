"""Turning a table that somebody sent into items that are wanted, and everything that is wrong with it by its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from apps.core.errors import Invalid
from apps.queues.models import Queue, UniqueReferences
from apps.queues.rules import cells, tables
from apps.queues.services._checking import Wanted, checker_of

#: Columns that are not of the payload.
PLAIN: dict[str, Callable[[Any], Any]] = {
    "reference": cells.text_of,
    "priority": cells.integer_of,
    "available_at": cells.moment_of,
    "deadline": cells.moment_of,
    "tags": cells.tags_of,
}
PAYLOAD = "payload"
_DEEPEST = 10


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: what it is of an item, and for a field of the payload where that is and what it may be."""

    name: str
    path: tuple[str, ...] = ()
    types: frozenset[str] = frozenset()

    @property
    def place(self) -> str:
        """Where in an item it belongs, as problems name it."""
        return ".".join((PAYLOAD, *self.path)) if self.path else self.name


@dataclass(slots=True)
class Reading:
    """What a table asks for, row by row, and what is wrong, each as row, column and message."""

    wanted: list[tuple[int, Wanted]] = field(default_factory=list)
    problems: list[tuple[int, str, str]] = field(default_factory=list)


def read_items(queue: Queue, content: bytes) -> Reading:
    """Read a file of items for a queue. Raises ``Invalid`` and ``TooLarge`` where nothing can be read of it at all."""
    table = tables.read_table(content)
    if not table.rows:
        raise Invalid.field("file", "has headings and no rows.")
    columns, reading = _columns_of(queue, table.columns), Reading()
    for number, row in table.rows:
        one, wrong = _wanted(columns, row)
        reading.problems += [(number, column, message) for column, message in wrong]
        if one is not None:
            reading.wanted.append((number, one))
    _check(queue, columns, reading)
    _find_doubles(queue, reading)
    reading.problems.sort()
    return reading


def known_columns(queue: Queue) -> list[str]:
    """Return the headings that a table for this queue may have, the fields that its schema names among them."""
    return [*PLAIN, *([_heading(name) for name in _fields_of(queue)] or [PAYLOAD])]


def _heading(name: str) -> str:
    """Return a field's heading: plain, unless that is another column's or a spreadsheet would take it for a formula."""
    is_clear = name.lower() not in {*PLAIN, PAYLOAD} and "." not in name and name[:1].isalnum()
    return name if is_clear else f"{PAYLOAD}.{name}"


def _fields_of(queue: Queue) -> list[str]:
    document = queue.schema.document if queue.schema is not None else None
    fields = document.get("properties") if isinstance(document, dict) else None
    return list(fields) if isinstance(fields, dict) else []


def _columns_of(queue: Queue, names: list[str]) -> list[Column]:
    document = queue.schema.document if queue.schema is not None else None
    fields = set(_fields_of(queue))
    columns = {place: _column(name, document, fields) for place, name in enumerate(names)}
    known = [column for column in columns.values() if column is not None]
    if unknown := [names[place] or "(empty)" for place, column in columns.items() if column is None]:
        there = f"{', '.join(known_columns(queue))}, and {PAYLOAD}.NAME for any field of the payload"
        raise Invalid.field("file", f"has columns that are not known: {', '.join(unknown[:10])}. There are {there}.")
    counted = Counter(column.place for column in known)
    if doubled := [place for place, count in counted.items() if count > 1]:
        raise Invalid.field("file", f"has columns twice: {', '.join(doubled)}.")
    return known


def _column(name: str, document: Any, fields: set[str]) -> Column | None:
    plain = name.lower()
    if plain in PLAIN or plain == PAYLOAD:
        return Column(plain)
    path = [name] if name in fields else name.split(".")[1:] if name.lower().startswith(f"{PAYLOAD}.") else []
    if not path or not all(path) or len(path) > _DEEPEST:
        return None
    return Column(name, tuple(path), cells.types_at(document, path))


def _wanted(columns: list[Column], row: list[Any]) -> tuple[Wanted | None, list[tuple[str, str]]]:
    values: dict[str, Any] = {}
    payload: Any = {} if any(column.path for column in columns) else None
    wrong: list[tuple[str, str]] = []
    for column, cell in _payload_first(columns, row):
        try:
            if column.path:
                payload = _put(payload, column.path, cells.value_of(cell, column.types))
            elif column.name == PAYLOAD:
                payload = cells.json_of(cell)
            else:
                values[column.name] = PLAIN[column.name](cell)
        except cells.Unclear as error:
            wrong.append((column.name, str(error)))
    return (None, wrong) if wrong else (Wanted(payload=payload, **values), [])


def _payload_first(columns: list[Column], row: list[Any]) -> Iterator[tuple[Column, Any]]:
    """Yield the cells that say something, the whole payload before its single fields."""
    filled = [one for one in zip(columns, row, strict=False) if not cells.is_empty(one[1])]
    yield from sorted(filled, key=lambda one: one[0].name != PAYLOAD)


def _put(payload: Any, path: tuple[str, ...], value: Any) -> dict[str, Any]:
    whole = {} if payload is None else payload
    if not isinstance(whole, dict):
        raise cells.Unclear("has no place: the payload of this row is no object.")
    if len(path) == 1:
        return {**whole, path[0]: value}
    return {**whole, path[0]: _put(whole.get(path[0]), path[1:], value)}


def _check(queue: Queue, columns: list[Column], reading: Reading) -> None:
    """Find what the rules for items, and the queue's schema, say of what was read."""
    problems_of_one = checker_of(queue)
    named = {column.place: column.name for column in columns}
    for number, one in reading.wanted:
        reading.problems += [
            (number, named.get(problem.field, problem.field), problem.message) for problem in problems_of_one(one)
        ]


def _find_doubles(queue: Queue, reading: Reading) -> None:
    """Find references that stand in the file twice, where the queue takes each once."""
    if queue.unique_references == UniqueReferences.OFF:
        return
    first: dict[str, int] = {}
    for number, one in reading.wanted:
        if one.reference and first.setdefault(one.reference, number) != number:
            told = f"“{one.reference}” stands in row {first[one.reference]} as well; this queue takes a reference once."
            reading.problems.append((number, "reference", told))
