"""How much there is of each kind, and what will go when: from what the database knows already, without counting."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.apps import apps
from django.db import connection
from django.db.models import Count, Min, Model
from django.db.models.functions import Now
from django.utils import timezone

from apps.core import ids, streams
from apps.retention.models.kinds import KINDS, Kind
from apps.retention.models.prunings import Pruning

#: Days that a forecast looks ahead.
AHEAD: Final = 7
#: A table and its partitions: rows as the database last counted them, and bytes with indexes and long values.
_SIZE: Final = """
    SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint, coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
    FROM pg_class c WHERE c.oid = %(table)s::regclass
        OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = %(table)s::regclass)
"""
_ESTIMATES: Final = {
    "jobs": ("SELECT 1 FROM jobs_job WHERE finished_at >= %s AND finished_at < %s", "moment"),
    "queue_items": ("SELECT 1 FROM queues_queueitem WHERE finished_at >= %s AND finished_at < %s", "moment"),
    "firings": ("SELECT 1 FROM triggers_firing WHERE id >= %s AND id < %s", "id"),
    "artefacts": ("SELECT 1 FROM jobs_artefact WHERE id >= %s AND id < %s", "id"),
    "item_changes": ("SELECT 1 FROM queues_itembulkchange WHERE id >= %s AND id < %s", "id"),
    "bulk_changes": ("SELECT 1 FROM jobs_bulkchange WHERE id >= %s AND id < %s", "id"),
}
#: What is tidied up by ticks of its own, and how long it stays.
_BY_THEMSELVES: Final = (
    ("Measurements of robots", "robots.RobotSample", "4 days"),
    ("Sessions of robots", "robots.RobotSession", "after the executions that name them"),
    ("Answers under idempotency keys", "requests.IdempotencyRecord", "24 hours"),
    ("Seals of the audit trail", "audit.AuditSeal", "for good"),
)


@dataclass(frozen=True, slots=True)
class Due:
    """What is to go of a kind: rows, and for a stream the partitions they lie in."""

    rows: int
    partitions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Forecast:
    """One kind: what there is of it, since when, and what goes within the next days. Rows are estimates."""

    kind: Kind
    days: int
    rows: int
    size: int
    oldest_at: datetime | None
    goes_at: datetime | None
    soon_rows: int
    soon_bytes: int
    pruning: Pruning | None


@dataclass(frozen=True, slots=True)
class Beside:
    """A table that is tidied up by a tick of its own."""

    title: str
    rows: int
    size: int
    kept: str


def forecast(values: Mapping[str, Any]) -> list[Forecast]:
    """Return a forecast for each kind by the settings of the installation; a few small questions for each."""
    prunings = {pruning.kind: pruning for pruning in Pruning.objects.all()}
    return [_forecast(kind, values[kind.key], prunings.get(kind.name)) for kind in KINDS.values()]


def beside() -> list[Beside]:
    """Return what is kept for a time that no setting changes."""
    models = [(title, apps.get_model(label), kept) for title, label, kept in _BY_THEMSELVES]
    return [Beside(title, *_size_of(model), kept) for title, model, kept in models]


def database_bytes() -> int:
    """Return how much the whole database takes on its disk."""
    return int(_one("SELECT pg_database_size(current_database())", {})[0])


def due_now(kind: Kind, values: Mapping[str, Any], *, most: int) -> Due:
    """Return what a run would let go now, counting rows no further than one beyond ``most``."""
    if kind.stream is not None:
        parts = [part for part in streams.partitions_of(kind.stream) if part.end <= _day_before(values[kind.key])]
        return Due(sum(_size_of_table(part.name)[0] for part in parts), tuple(part.name for part in parts))
    return Due(len(kind.due(values, most + 1)) if kind.due is not None else 0)


def _forecast(kind: Kind, days: int, pruning: Pruning | None) -> Forecast:
    if kind.is_bin:
        return _forecast_of_bin(kind, days, pruning)
    sizes = [_size_of(model) for model in kind.tables]
    rows, size = sizes[0][0], sum(bytes_ for _, bytes_ in sizes)
    oldest = _oldest(kind)
    soon_rows, soon_bytes = _soon_of_stream(kind, days) if kind.stream else _soon_of_rows(kind, days, rows, size)
    return Forecast(kind, days, rows, size, oldest, _goes_at(kind, days, oldest), soon_rows, soon_bytes, pruning)


def _forecast_of_bin(kind: Kind, days: int, pruning: Pruning | None) -> Forecast:
    """Return how much lies in the bin: few rows, which an index finds; their bytes are those of living ones."""
    lying = [model._base_manager.filter(deleted_at__isnull=False, purged_at=None) for model in kind.tables]
    counts = [rows.aggregate(count=Count("pk"), oldest=Min("deleted_at")) for rows in lying]
    oldest = min((one["oldest"] for one in counts if one["oldest"]), default=None)
    soon = sum(rows.filter(deleted_at__lt=Now() - timedelta(days=days - AHEAD)).count() for rows in lying)
    goes_at = oldest and oldest + timedelta(days=days)
    return Forecast(kind, days, sum(one["count"] for one in counts), 0, oldest, goes_at, soon, 0, pruning)


def _oldest(kind: Kind) -> datetime | None:
    """Return since when there are rows: of a stream from its oldest partition that has any, else by the lowest id."""
    table = kind.tables[0]._meta.db_table
    (lowest,) = _one(f'SELECT id FROM "{table}" ORDER BY id LIMIT 1', {}) or (None,)
    return ids.made_at(lowest) if isinstance(lowest, UUID) else None


def _goes_at(kind: Kind, days: int, oldest: datetime | None) -> datetime | None:
    """Return when the oldest goes: of a stream with the whole partition it lies in."""
    if oldest is None:
        return None
    if kind.stream is None:
        return oldest + timedelta(days=days)
    end = streams.Partition.holding(kind.tables[0]._meta.db_table, kind.stream.PARTITION_BY, oldest.date()).end
    return datetime(end.year, end.month, end.day, tzinfo=UTC) + timedelta(days=days)


def _soon_of_stream(kind: Kind, days: int) -> tuple[int, int]:
    assert kind.stream is not None
    until = _day_before(days - AHEAD)
    sizes = [_size_of_table(part.name) for part in streams.partitions_of(kind.stream) if part.end <= until]
    return sum(rows for rows, _ in sizes), sum(size for _, size in sizes)


def _soon_of_rows(kind: Kind, days: int, rows: int, size: int) -> tuple[int, int]:
    """Return how many rows the planner thinks will be due, and their part of the size."""
    statement, by = _ESTIMATES[kind.name]
    before = timezone.now() - timedelta(days=days - AHEAD)
    bounds: Iterable[Any] = (datetime(2000, 1, 1, tzinfo=UTC), before)
    if by == "id":
        bounds = [ids.first_id_at(moment) for moment in bounds]
    found = min(_planned(statement, list(bounds)), rows)
    return found, round(size * found / rows) if rows else 0


def _planned(statement: str, bounds: list[Any]) -> int:
    """Return how many rows the planner expects a statement to find, without running it."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", bounds)
        (plan,) = cursor.fetchone()
    whole = json.loads(plan) if isinstance(plan, str) else plan
    return int(whole[0]["Plan"]["Plan Rows"])


def _day_before(days: int) -> date:
    return (timezone.now() - timedelta(days=days)).astimezone(UTC).date()


def _size_of(model: type[Model]) -> tuple[int, int]:
    return _size_of_table(model._meta.db_table)


def _size_of_table(table: str) -> tuple[int, int]:
    rows, size = _one(_SIZE, {"table": f'"{table}"'})
    return int(rows), int(size)


def _one(statement: str, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        row: tuple[Any, ...] | None = cursor.fetchone()
    return row or ()
