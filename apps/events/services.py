"""Writing facts down in the transaction that makes them true, and following them afterwards."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.db.models import Model, QuerySet

from apps.core import ids, statements
from apps.core.actors import Actor
from apps.core.streams import Cursor, Epoch, edge, read_page, require_transaction
from apps.events.models import Event
from apps.events.rules import COLUMNS, insert_sql

__all__ = ["insert_sql", "newest", "read_after", "record", "record_each"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_INSERT = f"INSERT INTO events_event ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"


def record(event_type: str, subject: Any, *, data: Mapping[str, Any] = _NOTHING, actor: Actor | None = None) -> None:
    """Write down that ``event_type`` (``noun.past_participle``) happened to ``subject``, a row of a tenant.

    ``data`` is what a listener needs and must be fit for every reader of the tenant: no secrets. Raises
    ``TransactionManagementError`` outside a transaction.
    """
    require_transaction("An event")
    where = [subject.tenant_id, getattr(subject, "folder_id", None)]
    what = [subject._meta.model_name, subject.pk, _json(data)]
    with statements.prepared() as cursor:
        cursor.execute(_INSERT, [ids.uuid7(), event_type, *where, *what, *_who(actor)])


def record_each(
    event_type: str, subjects: QuerySet[Any], *, data: Mapping[str, Any] = _NOTHING, actor: Actor | None = None
) -> int:
    """Write down that ``event_type`` happened to each row of ``subjects``, by one statement; return how many.

    The queryset is read by that statement: after an update it must still find the rows, so name them by their keys.
    """
    require_transaction("Events")
    columns = _columns_of(subjects.model)
    try:
        rows, parameters = subjects.values_list(*columns.values()).query.sql_with_params()
    except EmptyResultSet:
        return 0
    statement = insert_sql(
        event_type,
        kind=subjects.model._meta.model_name,
        source=f"({rows}) AS subject ({', '.join(columns)})",
        folder="folder_id" if "folder_id" in columns else "NULL::uuid",
        data="%s",
        actor_kind="%s",
        actor_id="%s",
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [_json(data), *_who(actor), *parameters])
        return int(cursor.rowcount)


def read_after(
    cursor: Cursor | str | None,
    *,
    limit: int,
    epoch: Epoch,
    types: Collection[str] | None = None,
    tenant_id: UUID | None = None,
    among: QuerySet[Event] | None = None,
    walk: int | None = None,
) -> tuple[list[Event], Cursor]:
    """Return up to ``limit`` events after ``cursor``, oldest first, and the cursor to go on from.

    ``None`` begins with the oldest event kept. Events of transactions that may still be joined by an earlier one are
    left for the next time, so following the cursor misses none and repeats none, but for a restored database, which
    repeats a few (see ``Cursor.within``).

    ``among`` narrows the events, such as to those somebody may see; ``walk`` ends a page after so many events even if
    few of them belong to it. Raises ``Invalid`` for a text that is no cursor, and ``CursorAhead``.
    """
    place = Cursor.parse(cursor) if isinstance(cursor, str) else cursor or Cursor(epoch.number)
    events: Any = Event.objects.all() if among is None else among
    if types is not None:
        events = events.filter(type__in=types)
    if tenant_id is not None:
        events = events.filter(tenant_id=tenant_id)
    return read_page(events, place.within(epoch), limit=limit, walk=walk)


def newest(*, epoch: Epoch) -> Cursor:
    """Return the cursor of a reader who wants only what happens from now on."""
    return Cursor(epoch.number, edge(), 0)


def _columns_of(model: type[Model]) -> dict[str, str]:
    """Return the columns an event takes from its subject, each with the field that has it."""
    names = {field.attname for field in model._meta.concrete_fields}
    tenant = "tenant_id" if "tenant_id" in names else "pk"  # A tenant is in itself.
    folder = {"folder_id": "folder_id"} if "folder_id" in names else {}
    return {"id": "pk", "tenant_id": tenant, **folder}


def _who(actor: Actor | None) -> list[str]:
    return [actor.kind, actor.id] if actor else ["", ""]


def _json(data: Mapping[str, Any]) -> Any:
    return connection.ops.adapt_json_value(dict(data), DjangoJSONEncoder)
