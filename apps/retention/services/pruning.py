"""Letting go what is kept no longer, one batch or one stream at a time, and writing down what went."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from apps.audit import services as audit
from apps.audit.models import AuditEntry
from apps.core import streams
from apps.core.actors import Actor
from apps.core.keeping import Gone
from apps.jobs import services as jobs
from apps.queues import services as queues
from apps.rbac import services as rbac
from apps.retention.models import Kind, Pruning, keeping_of
from apps.retention.services import _purging
from apps.triggers import services as triggers

log = structlog.get_logger(__name__)

Values = Mapping[str, Any]
LONGEST_PROBLEM: Final = 500
_ESTIMATE: Final = "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass"


@transaction.atomic
def prune_batch(kind: Kind, *, actor: Actor, values: Values, limit: int) -> int:
    """Delete up to ``limit`` rows of a kind that the settings ``values`` keep no longer; return how many.

    Of two at once one does nothing. What went is counted in the same transaction, so that the end of the run, or of a
    later one, writes it down (``end_run``).
    """
    rbac.require(actor, "retention.change_pruning", rbac.EVERYWHERE)
    pruning = _taken(kind)
    if pruning is None:
        return 0
    gone = _FORGET[kind.name](values, actor, limit)
    if gone.count:
        pruning.waiting += gone.count
        pruning.until = max(filter(None, [pruning.until, gone.newest]), default=None)
        pruning.save(update_fields=["waiting", "until"])
    return gone.count


def drop_periods(kind: Kind, *, actor: Actor, values: Values) -> list[str]:
    """Drop the partitions of a stream that the settings keep no longer; return their names.

    What is going to go is noted first: killed in between, the next call drops the same, and it is written down once.
    Raises ``OperationalError`` where a lock is not to be had soon, and ``NotSealedYet`` of the audit trail.
    """
    if kind.stream is None:
        raise ValueError(f"{kind.name} is no stream.")
    before = timezone.now() - timedelta(days=values[kind.key])
    due = [part for part in streams.partitions_of(kind.stream) if part.end <= before.astimezone(UTC).date()]
    if not due:
        return []
    note_going(kind, actor=actor, partitions=due)
    if kind.stream is AuditEntry:
        return audit.drop_entries_before(before, actor=actor)
    return streams.drop_partitions_before(kind.stream, before)


@transaction.atomic
def note_going(kind: Kind, *, actor: Actor, partitions: list[streams.Partition]) -> None:
    """Note which partitions of a stream are about to go."""
    rbac.require(actor, "retention.change_pruning", rbac.EVERYWHERE)
    pruning = _locked(kind)
    pruning.waiting_partitions |= {partition.name: _estimated(partition.name) for partition in partitions}
    ends = [datetime.combine(partition.end, datetime.min.time(), tzinfo=UTC) for partition in partitions]
    pruning.until = max(filter(None, [pruning.until, *ends]))
    pruning.save(update_fields=["waiting_partitions", "until"])


@transaction.atomic
def end_run(kind: Kind, *, actor: Actor, seconds: float, is_behind: bool = False, problem: str = "") -> int:
    """Write down what has gone of a kind since this was last done, in the trail if it is anything; return how much."""
    rbac.require(actor, "retention.change_pruning", rbac.EVERYWHERE)
    pruning = _locked(kind)
    count = pruning.waiting + sum(pruning.waiting_partitions.values())
    if pruning.is_unreported:
        partitions = sorted(pruning.waiting_partitions)
        facts = {"kind": kind.name, "rows": count, "until": pruning.until, "partitions": partitions}
        audit.record(actor, "retention.pruned", None, after=facts)
        log.info("pruned", kind=kind.name, rows=count, partitions=partitions)
    changes = {
        "total": pruning.total + count,
        "waiting": 0,
        "waiting_partitions": {},
        "last_run_at": Now(),
        "last_count": count,
        "last_seconds": seconds,
        "is_behind": is_behind,
        "problem": problem[:LONGEST_PROBLEM],
    }
    Pruning.objects.filter(pk=pruning.pk).update(**changes)
    return int(count)


def _taken(kind: Kind) -> Pruning | None:
    """Return the state of a kind, locked, unless another run has it."""
    _ensure(kind)
    return Pruning.objects.select_for_update(skip_locked=True).filter(kind=kind.name).first()


def _locked(kind: Kind) -> Pruning:
    _ensure(kind)
    return Pruning.objects.select_for_update().get(kind=kind.name)


def _ensure(kind: Kind) -> None:
    if not Pruning.objects.filter(kind=kind.name).exists():
        Pruning.objects.bulk_create([Pruning(kind=kind.name)], ignore_conflicts=True)


def _estimated(table: str) -> int:
    """Return about how many rows a table has, as the database last counted; what it never did is counted now."""
    with connection.cursor() as cursor:
        cursor.execute(_ESTIMATE, [f'"{table}"'])
        (rows,) = cursor.fetchone()
        if rows < 0:
            cursor.execute(f'SELECT count(*) FROM "{table}"')
            (rows,) = cursor.fetchone()
    return int(rows)


def _jobs(values: Values, actor: Actor, limit: int) -> Gone:
    return jobs.forget_old_jobs(keeping_of(values, "jobs_retention_days"), actor=actor, limit=limit)


def _artefacts(values: Values, actor: Actor, limit: int) -> Gone:
    return jobs.forget_old_artefacts(keeping_of(values, "artefacts_retention_days"), actor=actor, limit=limit)


def _bulk_changes(values: Values, actor: Actor, limit: int) -> Gone:
    return jobs.forget_old_bulk_changes(keeping_of(values, "jobs_retention_days"), actor=actor, limit=limit)


def _item_changes(values: Values, actor: Actor, limit: int) -> Gone:
    return queues.forget_old_item_changes(keeping_of(values, "queue_items_retention_days"), actor=actor, limit=limit)


def _queue_items(values: Values, actor: Actor, limit: int) -> Gone:
    return queues.forget_old_items(keeping_of(values, "queue_items_retention_days"), actor=actor, limit=limit)


def _firings(values: Values, actor: Actor, limit: int) -> Gone:
    firings, of_jobs = (keeping_of(values, key) for key in ("firings_retention_days", "jobs_retention_days"))
    return triggers.forget_old_firings(firings, actor=actor, jobs=of_jobs, limit=limit)


_FORGET: Final[dict[str, Callable[[Values, Actor, int], Gone]]] = {
    "bin": _purging.purge,
    "jobs": _jobs,
    "artefacts": _artefacts,
    "bulk_changes": _bulk_changes,
    "item_changes": _item_changes,
    "queue_items": _queue_items,
    "firings": _firings,
}
