"""Letting go of what is kept no longer, in a way that the seals tell of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from apps.audit.models import AuditEntry
from apps.audit.services.heads import heads
from apps.audit.services.recording import record
from apps.audit.services.sealing import append, position, seal_entries, takes_turn
from apps.core import ids, streams
from apps.core.actors import Actor
from apps.core.errors import Conflict
from apps.core.streams import Partition


class NotSealedYet(Conflict):
    """Entries cannot be dropped before they are sealed."""

    code = "not_sealed_yet"


def drop_entries_before(moment: datetime, *, actor: Actor) -> list[str]:
    """Drop the partitions wholly before ``moment``; a seal in every chain says so, and the seals stay.

    That seal sums up what went: how many entries of its chain, and of which time. Both happen in one transaction, so
    that neither is ever without the other. Raises ``NotSealedYet`` while one of the entries has no seal, and
    ``OperationalError`` where a lock cannot be had soon.
    """
    if not _due(moment):
        return []
    seal_entries()
    with transaction.atomic(durable=True):
        if not takes_turn():
            raise NotSealedYet("The trail is being sealed at this moment. Try again shortly.")
        dropping = _due(moment)
        if not dropping:
            return []  # Somebody else was faster.
        until = datetime.combine(dropping[-1].end, datetime.min.time(), tzinfo=UTC)
        streams.hold_partitions(AuditEntry, dropping)
        _refuse_unsealed(until)
        gone = _summaries(dropping)
        for head in heads():
            append(head.tenant_id, [], dropped_before=until, summary=gone.get(head.tenant_id, {"entries": 0}))
        names = [part.name for part in dropping]
        counted = sum(summary["entries"] for summary in gone.values())
        record(actor, "audit.dropped", None, after={"before": until, "entries": counted, "partitions": names})
        return streams.drop_partitions(AuditEntry, dropping)


def _due(moment: datetime) -> list[Partition]:
    return [part for part in streams.partitions_of(AuditEntry) if part.end <= moment.astimezone(UTC).date()]


def _summaries(dropping: list[Partition]) -> dict[UUID | None, dict[str, Any]]:
    """Return for each chain how many of its entries lie in some partitions, and of which time they are."""
    parts = " UNION ALL ".join(f'SELECT tenant_id, ts FROM "{part.name}"' for part in dropping)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT tenant_id, count(*), min(ts), max(ts) FROM ({parts}) AS gone GROUP BY tenant_id")
        return {
            tenant_id: {"entries": count, "first_at": first.isoformat(), "last_at": last.isoformat()}
            for tenant_id, count, first, last in cursor.fetchall()
        }


def _refuse_unsealed(until: datetime) -> None:
    waiting = AuditEntry.objects.after(position(), below=2**63 - 1).filter(id__lt=ids.first_id_at(until))
    if waiting.exists():
        raise NotSealedYet("Some of these entries are not sealed yet. Try again in a minute.")
