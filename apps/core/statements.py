"""Statements of our own that run many times a second: each connection parses and plans them once.

The ORM words every query anew and the database plans it anew. On the few calls that robots make all the time that is
most of the work there is, so these are written by hand and prepared. Everything else is the ORM's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache, cached_property
from typing import Any, Generic, TypeVar
from uuid import UUID

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.backends.utils import CursorWrapper
from django.db.models.expressions import DatabaseDefault
from django.db.models.query import get_related_populators

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
    ours: Any = connections[DEFAULT_DB_ALIAS]  # ``connection`` would look it up again for each word.
    ours.ensure_connection()
    ours.connection.prepare_threshold = 0  # Django switches preparing off; its own cursors go on without.
    wrap = ours.make_debug_cursor if ours.queries_logged else ours.make_cursor
    with wrap(_PreparedCursor(ours.connection)) as cursor:
        yield cursor


def array(values: Iterable[UUID | int]) -> str:
    """Return ids or numbers as the text of an array: the driver would ask each of a list for its type."""
    return f"{{{','.join(map(str, values))}}}"


def fetch(statement: str, parameters: Parameters) -> list[tuple[Any, ...]]:
    """Run a prepared statement and return its rows."""
    return _rows(statement, parameters)


def _rows(statement: str, parameters: Parameters | Sequence[Any]) -> list[tuple[Any, ...]]:
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


class Slot(models.Value):
    """The place of a value in a queryset that is worded once; ``field`` gives its type."""

    def __init__(self, name: str, field: models.Field) -> None:
        super().__init__(name, output_field=field)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        return "%s", (self,)


class Among(models.Func):
    """Whether a column is among the values of an array: what ``IN`` says, in as many words however many they are."""

    arity, template, arg_joiner = 2, "%(expressions)s)", " = ANY ("
    output_field = models.BooleanField()


class Worded(Generic[ModelT]):
    """A queryset whose SQL is worded once in the life of a process: for rows that are looked up all the time.

    ``make`` returns the queryset, with a ``Slot`` wherever a value comes in. What is asked for must not depend
    on anything else; where it is one of several values, see ``Among``.
    """

    def __init__(self, make: Callable[[], models.QuerySet[ModelT]]) -> None:
        self._make = make

    def first(self, **values: Any) -> ModelT | None:
        """Return the first row, with those it was selected with, or ``None``."""
        reading = self._reading
        rows = _rows(reading.statement, _filled(reading.places, values))
        return reading.row(rows[0]) if rows else None

    def exists(self, **values: Any) -> bool:
        """Say whether there is a row at all."""
        statement, places = self._asking
        return bool(_rows(statement, _filled(places, values)))

    @cached_property
    def _reading(self) -> _Reading:
        return _Reading.of(self._make().query)

    @cached_property
    def _asking(self) -> tuple[str, Sequence[Any]]:
        worded: tuple[str, Sequence[Any]] = self._make().query.exists().get_compiler(connection=connection).as_sql()
        return worded


@dataclass(frozen=True, slots=True)
class _Reading:
    """A worded SELECT, and how a row of its answer becomes a model's: what is to be converted, and what is in it."""

    statement: str
    places: Sequence[Any]
    model: Any
    columns: slice
    names: list[str]
    converters: list[tuple[int, tuple[list[Callable[..., Any]], Any]]]
    related: list[Any]

    @classmethod
    def of(cls, query: Any) -> _Reading:
        compiler = query.get_compiler(connection=connection)
        statement, places = compiler.as_sql()
        facts, selected = compiler.klass_info, [column for column, *_ in compiler.select]
        columns = slice(facts["select_fields"][0], facts["select_fields"][-1] + 1)
        names = [column.target.attname for column in selected[columns]]
        converters = list(compiler.get_converters(selected).items())
        # The types describe a later Django, whose populators take one argument more.
        related = get_related_populators(facts, compiler.select, connection.alias)  # type: ignore[call-arg]
        return cls(statement, places, facts["model"], columns, names, converters, related)

    def row(self, found: tuple[Any, ...]) -> Any:
        values = list(found)
        for index, (functions, expression) in self.converters:
            for convert in functions:
                values[index] = convert(values[index], expression, connection)
        row = self.model.from_db(connection.alias, self.names, values[self.columns])
        for populator in self.related:
            populator.populate(values, row)
        return row


def _filled(places: Sequence[Any], values: Mapping[str, Any]) -> list[Any]:
    return [values[one.value] if isinstance(one, Slot) else one for one in places]


def update(model: type[models.Model], where: str, parameters: Parameters, changes: Mapping[str, Any]) -> int:
    """Change the rows of a model's table ``t`` that ``where`` names, and return how many there were.

    A change may be a value or an expression without columns, such as ``Now() + delay``.
    """
    given: dict[str, Any] = dict(parameters)
    sets = [f'"{column}" = {place}' for column, place in _places(model, changes, given)]
    return execute(f"UPDATE {model._meta.db_table} t SET {', '.join(sets)} WHERE {where}", given)


def _places(model: type[models.Model], changes: Mapping[str, Any], given: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Give each changed column with what stands for its value; the values themselves go into ``given``."""
    compiler = model._base_manager.all().query.get_compiler(connection=connection)
    for name, value in changes.items():
        field: Any = model._meta.get_field(name)
        if hasattr(value, "resolve_expression"):
            place, inner = compiler.compile(value.resolve_expression(compiler.query, allow_joins=False, for_save=True))
            names = [f"{name}_{number}" for number in range(len(inner))]
            given.update(zip(names, inner, strict=True))
            place %= tuple(f"%({one})s" for one in names)
        else:
            given[f"new_{name}"], place = field.get_db_prep_save(value, connection), f"%(new_{name})s"
        yield str(field.column), place


def insert(row: models.Model) -> None:
    """Store a new row, and read back what the database filled in, such as times by its clock.

    A column whose value is an expression of the ORM's (other than its default) is not for this function.
    """
    fields = row._meta.concrete_fields
    given = [field for field in fields if not isinstance(getattr(row, field.attname), DatabaseDefault)]
    filled = [field for field in fields if isinstance(getattr(row, field.attname), DatabaseDefault)]
    parameters = {str(field.column): field.get_db_prep_save(getattr(row, field.attname), connection) for field in given}
    statement = _insert_of(row._meta.db_table, tuple(parameters), tuple(str(field.column) for field in filled))
    [values] = fetch(statement, parameters)
    for field, value in zip(filled, values, strict=False):
        setattr(row, field.attname, value)
    row._state.adding, row._state.db = False, connection.alias


def insert_all(rows: Sequence[models.Model]) -> None:
    """Store new rows of one model by one statement for each set of columns that have values.

    As ``insert``, what the database fills in is read back. Columns hold what JSON can say, moments and ids; rows with
    expressions of the ORM's are stored by it.
    """
    plain = [row for row in rows if not _has_expressions(row)]
    for given, alike in _by_shape(plain).items():
        _insert_alike(given, alike)
    if len(plain) < len(rows):
        type(rows[0])._base_manager.bulk_create([row for row in rows if _has_expressions(row)])


def _has_expressions(row: models.Model) -> bool:
    return any(
        isinstance(value, models.expressions.BaseExpression) and not isinstance(value, DatabaseDefault)
        for value in row.__dict__.values()
    )


def _by_shape(rows: Sequence[models.Model]) -> dict[tuple[Any, ...], list[models.Model]]:
    shapes: dict[tuple[Any, ...], list[models.Model]] = {}
    for row in rows:
        values = row.__dict__
        fields = row._meta.concrete_fields
        given = tuple(field for field in fields if not isinstance(values[field.attname], DatabaseDefault))
        shapes.setdefault(given, []).append(row)
    return shapes


def _insert_alike(given: tuple[Any, ...], rows: Sequence[models.Model]) -> None:
    names = [(field.column, field.attname) for field in given]
    documents = [{column: row.__dict__[name] for column, name in names} for row in rows]
    statement, filled = _insert_all_of(type(rows[0]), given)
    # Django's own encoder would cut moments to milliseconds.
    found = {key: values for key, *values in fetch(statement, {"rows": json.dumps(documents, default=_as_text)})}
    for row in rows:
        for name, value in zip(filled, found[row.pk], strict=True):
            setattr(row, name, value)
        row._state.adding, row._state.db = False, connection.alias


def _as_text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (UUID, Decimal)):
        return str(value)
    raise TypeError(f"{type(value).__name__} is nothing that can be stored by many.")


@cache
def _insert_all_of(model: type[models.Model], given: tuple[Any, ...]) -> tuple[str, list[str]]:
    filled = [field for field in model._meta.concrete_fields if field not in given]
    names = ", ".join(f'"{field.column}"' for field in given)
    types = ", ".join(f'"{field.column}" {field.db_type(connection)}' for field in given)
    back = ", ".join(f'"{field.column}"' for field in filled)
    statement = (
        f"INSERT INTO {model._meta.db_table} ({names}) SELECT {names} "
        f"FROM json_to_recordset(%(rows)s::json) AS given ({types}) RETURNING {', '.join(filter(None, ['id', back]))}"
    )
    return statement, [field.attname for field in filled]


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
