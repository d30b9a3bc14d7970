"""Making partitions before they are needed, and dropping those that are kept no longer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

import structlog
from django.apps import apps
from django.db import connection, transaction
from django.utils import timezone

from apps.core import ids
from apps.core.streams import tables
from apps.core.streams.models import Stream
from apps.core.streams.periods import AHEAD, Partition, default_of, first_id_of

log = structlog.get_logger(__name__)

#: A lock that is not had by then is left to the next attempt: whoever waits for one makes everybody else wait.
_LOCK_TIMEOUT = "3s"


def all_streams() -> list[type[Stream]]:
    """Return every model that is a stream."""
    return [model for model in apps.get_models() if issubclass(model, Stream)]


def ensure_partitions(*models: type[Stream], now: datetime | None = None) -> list[str]:
    """Make the partitions of now and the periods to come, of ``models`` or of all streams; return what was made.

    Rows that found no partition of their own, and so went to the default one, are brought home. Safe to call at any
    time, by several at once. Raises ``OperationalError`` where a lock cannot be had soon; the next call catches up.
    """
    made: list[str] = []
    for model in models or all_streams():
        made += _ensure(model, now or timezone.now())
    if made:
        log.info("partitions_made", partitions=made)
    return made


def drop_partitions_before(model: type[Stream], moment: datetime) -> list[str]:
    """Drop the partitions all of whose rows were made before ``moment``, and return their names.

    Raises ``OperationalError`` where a lock cannot be had soon.
    """
    day = moment.astimezone(UTC).date()
    due = [partition for partition in partitions_of(model) if partition.end <= day]
    dropped = [partition.name for partition in due if _drop(model, partition)]
    if dropped:
        log.info("partitions_dropped", partitions=dropped)
    return dropped


def hold_partitions(model: type[Stream], partitions: Iterable[Partition]) -> None:
    """Let nobody write into ``partitions`` until the caller's transaction ends, so that what is counted is what goes.

    Raises ``OperationalError`` where a lock cannot be had soon.
    """
    for partition in partitions:
        _lock(f'"{partition.name}" IN SHARE MODE')


def drop_partitions(model: type[Stream], partitions: Iterable[Partition]) -> list[str]:
    """Drop ``partitions`` in the caller's transaction, and return their names. To be done last: it waits for writers.

    Raises ``OperationalError`` where a lock cannot be had soon.
    """
    due = list(partitions)
    _lock(f'ONLY "{model._meta.db_table}" IN ACCESS EXCLUSIVE MODE')
    for partition in due:
        _detach_and_drop(model, partition)
    names = [partition.name for partition in due]
    log.info("partitions_dropped", partitions=names)
    return names


def partitions_of(model: type[Stream]) -> list[Partition]:
    """Return the model's partitions, oldest first, without the default one."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = %s::regclass",
            [f'"{table}"'],
        )
        names = [name for (name,) in cursor.fetchall()]
    dates = [name.removeprefix(f"{table}_p") for name in names if name != default_of(table)]
    days = [datetime.strptime(f"{date}01"[:8], "%Y%m%d").replace(tzinfo=UTC).date() for date in dates]
    return sorted(Partition.holding(table, model.PARTITION_BY, day) for day in days)


def _ensure(model: type[Stream], now: datetime) -> list[str]:
    wanted = Partition.upcoming(model._meta.db_table, model.PARTITION_BY, now, ahead=AHEAD)
    if _has_strays(model, wanted[-1]):
        return _bring_home(model, wanted)
    return _add_missing(model, wanted) if _missing(model, wanted) else []


@transaction.atomic(durable=True)
def _add_missing(model: type[Stream], wanted: list[Partition]) -> list[str]:
    """Make what is missing while writers go on; they wait only where they would need the default partition."""
    table = model._meta.db_table
    _lock(f'ONLY "{table}" IN SHARE UPDATE EXCLUSIVE MODE')
    _lock(f'"{default_of(table)}" IN ACCESS EXCLUSIVE MODE')
    if _has_strays(model, wanted[-1]):
        return []  # Came in this moment. The next call takes the lock that it takes to bring them home.
    return _add(model, wanted)


@transaction.atomic(durable=True)
def _bring_home(model: type[Stream], wanted: list[Partition]) -> list[str]:
    """Set the default partition aside, make the partitions that its rows belong to, and write the rows again.

    Nothing is deleted row by row: the database refuses that to everybody.
    """
    table, default, aside = model._meta.db_table, default_of(model._meta.db_table), f"{model._meta.db_table}_aside"
    columns = ", ".join(f'"{field.column}"' for field in model._meta.concrete_fields)
    _lock(f'"{table}" IN ACCESS EXCLUSIVE MODE')
    _run(
        f'ALTER TABLE "{table}" DETACH PARTITION "{default}"',
        f'ALTER TABLE "{default}" RENAME TO "{aside}"',
    )
    made = _add(model, {*wanted, *_homes(model, aside, wanted[-1])})
    _run(
        *tables.add_default(table),
        f'INSERT INTO "{table}" ({columns}) SELECT {columns} FROM "{aside}"',
        f'DROP TABLE "{aside}"',
    )
    return made


@transaction.atomic(durable=True)
def _drop(model: type[Stream], partition: Partition) -> bool:
    """Drop a partition, unless somebody else has done so meanwhile."""
    table = model._meta.db_table
    _lock(f'ONLY "{table}" IN ACCESS EXCLUSIVE MODE')
    if partition not in partitions_of(model):
        return False
    _detach_and_drop(model, partition)
    return True


def _detach_and_drop(model: type[Stream], partition: Partition) -> None:
    _run(
        f'ALTER TABLE "{model._meta.db_table}" DETACH PARTITION "{partition.name}"',
        f'DROP TABLE "{partition.name}"',
    )


def _add(model: type[Stream], wanted: Iterable[Partition]) -> list[str]:
    missing = _missing(model, wanted)
    for partition in missing:
        _run(*tables.add_partition(model._meta.db_table, partition))
    return [partition.name for partition in missing]


def _missing(model: type[Stream], wanted: Iterable[Partition]) -> list[Partition]:
    return sorted(set(wanted) - set(partitions_of(model)))


def _homes(model: type[Stream], aside: str, last: Partition) -> list[Partition]:
    """Return the partitions that the rows set aside belong to; those of a time yet to come are left out."""
    homes: list[Partition] = []
    first = _first_id(aside, str(UUID(int=0)))
    while first is not None and str(first) < first_id_of(last.end):
        homes.append(Partition.holding(model._meta.db_table, model.PARTITION_BY, ids.made_at(first).date()))
        first = _first_id(aside, first_id_of(homes[-1].end))
    return homes


def _has_strays(model: type[Stream], last: Partition) -> bool:
    """Say whether rows lie in the default partition whose own partition there could be."""
    first = _first_id(default_of(model._meta.db_table), str(UUID(int=0)))
    return first is not None and str(first) < first_id_of(last.end)


def _first_id(table: str, at_least: str) -> UUID | None:
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT id FROM "{table}" WHERE id >= %s::uuid ORDER BY id LIMIT 1', [at_least])
        row = cursor.fetchone()
    return row[0] if row else None


def _lock(target: str) -> None:
    _run(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'", f"LOCK TABLE {target}")


def _run(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
