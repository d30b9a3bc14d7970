"""Sealing the trail, so that a change made behind our back shows."""

from __future__ import annotations

from datetime import datetime
from importlib import import_module
from typing import Any, Protocol, cast
from uuid import UUID

import structlog
from django.conf import settings
from django.db import connection, transaction

from apps.audit.models import AuditEntry, AuditSeal
from apps.audit.rules import NOTHING_BEFORE, canonical, chain, digest, pack
from apps.core import streams

log = structlog.get_logger(__name__)

#: Most entries one seal covers.
BATCH = 1000
#: One sealer at a time. A constant of ours among advisory locks.
_LOCK = 0x6276_5345_414C
#: What signatures of seals begin with, so that they are of use nowhere else.
SEAL = b"bv-audit-seal:"


class Signer(Protocol):
    """The module that signs. It lies above this app, so the settings name it."""

    def sign(self, data: bytes) -> tuple[str, bytes]:
        """Return the name of the key and the signature."""

    def has_signed(self, name: str, data: bytes, signature: bytes) -> bool:
        """Say whether a signature is ours."""


def signer() -> Signer:
    """Return who signs."""
    return cast("Signer", import_module(settings.AUDIT_SIGNER))


def seal_entries(*, batch: int = BATCH) -> int:
    """Seal what has been written since the last time, and return how many entries that was.

    Writers are not held up. Of two sealers at once one finds nothing to do. Entries of transactions that an earlier
    one may still join are left for the next time.
    """
    sealed = 0
    while count := _seal_batch(batch):
        sealed += count
        if count < batch:
            break
    return sealed


def oldest_unsealed_at() -> datetime | None:
    """Return since when the oldest entry has waited for its seal; ``None`` when all are sealed."""
    waiting = AuditEntry.objects.after(position(), below=2**63 - 1)
    return waiting.values_list("ts", flat=True).first()


def position() -> streams.Cursor:
    """Return the place in the trail up to which it is sealed."""
    newest = AuditSeal.objects.order_by("-last_xid", "-last_seq").values_list("last_xid", "last_seq").first()
    return streams.Cursor(1, *newest) if newest else streams.Cursor()


def text_of(entry: AuditEntry) -> bytes:
    """Return the text of an entry that goes into the chain.

    Empty columns are left out, so that a column added later does not change the text of entries from before.
    """
    columns = [field.attname for field in AuditEntry._meta.concrete_fields if field.attname != "xid"]
    values = {name: getattr(entry, name) for name in columns}
    return canonical({name: value for name, value in values.items() if value not in (None, "")})


def hash_of(seal: AuditSeal) -> bytes:
    """Return the hash that a seal with these contents has."""
    return digest(canonical(contents_of(seal) | {"members": digest(bytes(seal.members)).hex()}))


def contents_of(seal: AuditSeal) -> dict[str, Any]:
    """Return what a seal says. A summary is left out where there is none, as in seals from before there were any."""
    return {
        "tenant_id": seal.tenant_id,
        "number": seal.number,
        "created_at": seal.created_at,
        "previous": bytes(seal.previous).hex(),
        "count": seal.count,
        "members": bytes(seal.members).hex(),
        "root": bytes(seal.root).hex(),
        "last_xid": seal.last_xid,
        "last_seq": seal.last_seq,
        "dropped_before": seal.dropped_before,
        **({"summary": seal.summary} if seal.summary is not None else {}),
    }


@transaction.atomic(durable=True)
def _seal_batch(limit: int) -> int:
    if not takes_turn():
        return 0
    below = streams.edge()
    entries = list(AuditEntry.objects.after(position(), below=below)[:limit])
    by_tenant: dict[UUID | None, list[AuditEntry]] = {}
    for entry in entries:
        by_tenant.setdefault(entry.tenant_id, []).append(entry)
    for tenant_id, batch in by_tenant.items():
        append(tenant_id, batch, end=(entries[-1].xid, entries[-1].seq))
    return len(entries)


def takes_turn() -> bool:
    """Be the one that seals until the end of the transaction; say whether nobody else is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        (mine,) = cursor.fetchone()
    return bool(mine)


def now() -> datetime:
    """Return the time by the database's clock, which a seal is stamped with and its hash covers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    return cast(datetime, now)


def append(
    tenant_id: UUID | None,
    entries: list[AuditEntry],
    *,
    end: tuple[int, int] | None = None,
    dropped_before: datetime | None = None,
    summary: dict[str, Any] | None = None,
) -> None:
    """Add a seal to a chain. It covers everything up to ``end``, or no more than the seal before it."""
    before = AuditSeal.objects.filter(tenant_id=tenant_id).order_by("-number").first()
    previous = bytes(before.hash) if before else NOTHING_BEFORE
    links = chain(previous, [text_of(entry) for entry in entries])
    last_xid, last_seq = end or ((before.last_xid, before.last_seq) if before else (0, 0))
    seal = AuditSeal(
        tenant_id=tenant_id,
        number=before.number + 1 if before else 1,
        created_at=now(),
        previous=previous,
        count=len(entries),
        members=pack([(entry.pk, link) for entry, link in zip(entries, links, strict=True)]),
        root=links[-1] if links else previous,
        last_xid=last_xid,
        last_seq=last_seq,
        dropped_before=dropped_before,
        summary=summary,
    )
    seal.hash = hash_of(seal)
    seal.key, seal.signature = signer().sign(SEAL + seal.hash)
    seal.save(force_insert=True)
    log.info("audit_sealed", tenant_id=str(tenant_id), number=seal.number, count=seal.count, hash=seal.hash.hex())
