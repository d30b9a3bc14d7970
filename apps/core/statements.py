"""Statements of our own that run many times a second: each connection parses and plans them once.

The ORM words every query anew and the database plans it anew. On the few calls that robots make all the time that is
most of the work there is, so these are written by hand and prepared. Everything else is the ORM's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import psycopg
from django.db import connection, models
from django.db.backends.utils import CursorWrapper
from django.db.models.expressions import DatabaseDefault

ModelT = TypeVar("ModelT", bound=models.Model)
Parameters = Mapping[str, Any]


class _PreparedCursor(psycopg.Cursor):
    """Leaves parameters to the server, so that a statement stays the same one whatever it is asked about."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        return super().execute(query, params, prepare=True, **options)


@contextmanager
def prepared() -> Iterator[CursorWrapper]:
    """Give a cursor that prepares what it runs, in the transaction under way.

    A parameter has no type but the one its place gives it: say ``%(x)s::jsonb`` where that could be several.
    """
    connection.ensure_connection()
    connection.connection.prepare_threshold = 0  # Django switches preparing off; its own cursors go on without.
    wrap = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    plain: Any = _PreparedCursor(connection.connection)
    with wrap(plain) as cursor:
        yield cursor


def fetch(statement: str, parameters: Parameters) -> list[tuple[Any, ...]]:
    """Run a prepared statement and return its rows."""
    with prepared() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def fetch_named(statement: str, parameters: Parameters) -> list[dict[str, Any]]:
    """Run a prepared statement and return its rows by column name."""
    with prepared() as cursor:
        cursor.execute(statement, parameters)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def execute(statement: str, parameters: Parameters) -> int:
    """Run a prepared statement and return how many rows it concerned."""
    with prepared() as cursor:
        cursor.execute(statement, parameters)
        return int(cursor.rowcount)


def find(model: type[ModelT], rest: str, parameters: Parameters) -> ModelT | None:
    """Return the first row of a model's table ``t`` that ``rest`` (``WHERE …``, ``FOR UPDATE``) leaves, or ``None``."""
    rows = fetch(f"SELECT {_columns(model)} FROM {model._meta.db_table} t {rest}", parameters)
    if not rows:
        return None
    names, converters = _reading(model)
    values = list(rows[0])
    for index, convert in converters:
        values[index] = convert(values[index], None, connection)
    return model.from_db(connection.alias, names, values)


def insert(row: models.Model) -> None:
    """Store a new row, and read back what the database filled in, such as times by its clock.

    A column whose value is an expression of the ORM's (other than its default) is not for this function.
    """
    fields = row._meta.concrete_fields
    given = [field for field in fields if not isinstance(getattr(row, field.attname), DatabaseDefault)]
    filled = [field for field in fields if field not in given]
    parameters = {str(field.column): field.get_db_prep_save(getattr(row, field.attname), connection) for field in given}
    statement = _insert_of(row._meta.db_table, tuple(parameters), tuple(str(field.column) for field in filled))
    [values] = fetch(statement, parameters)
    for field, value in zip(filled, values, strict=False):
        setattr(row, field.attname, value)
    row._state.adding, row._state.db = False, connection.alias


def part_of(model: type[ModelT], values: Mapping[str, Any]) -> ModelT:
    """Return the row of which ``values`` are some columns; the others are read when somebody asks for them."""
    names = [field.attname for field in model._meta.concrete_fields if field.attname in values]
    return model.from_db(connection.alias, names, [values[name] for name in names])


def refresh(row: models.Model) -> None:
    """Read a row again, whole. Raises ``DoesNotExist`` if it is gone."""
    fresh = find(type(row), "WHERE t.id = %(id)s", {"id": row.pk})
    if fresh is None:
        raise type(row).DoesNotExist  # type: ignore[attr-defined]
    for field in row._meta.concrete_fields:
        setattr(row, field.attname, getattr(fresh, field.attname))


@cache
def _insert_of(table: str, given: tuple[str, ...], filled: tuple[str, ...]) -> str:
    names, places = ", ".join(f'"{name}"' for name in given), ", ".join(f"%({name})s" for name in given)
    back = ", ".join(f'"{name}"' for name in (*filled, "id"))
    return f"INSERT INTO {table} ({names}) VALUES ({places}) RETURNING {back}"


@cache
def _columns(model: type[models.Model]) -> str:
    return ", ".join(f't."{field.column}"' for field in model._meta.concrete_fields)


@cache
def _reading(model: type[models.Model]) -> tuple[list[str], list[tuple[int, Callable[..., Any]]]]:
    fields = model._meta.concrete_fields
    converters = [(index, field.from_db_value) for index, field in enumerate(fields) if hasattr(field, "from_db_value")]
    return [field.attname for field in fields], converters
