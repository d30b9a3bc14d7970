"""Proving that the trail is as it was when it was sealed, or naming what is not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db.models import Max, QuerySet

from apps.audit.models import AuditEntry, AuditSeal
from apps.audit.rules import NOTHING_BEFORE, digest
from apps.audit.services.heads import Head
from apps.audit.services.sealing import SEAL, hash_of, position, signer, text_of
from apps.core import ids, streams


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is not as it was sealed."""

    kind: str  # edited, deleted, inserted, moved: an entry. changed, missing, unsigned, miscounted: a seal.
    tenant_id: UUID | None
    seal: int
    entry_id: UUID | None = None

    def __str__(self) -> str:
        what = f"entry {self.entry_id}" if self.entry_id else "the seal itself"
        return f"{what} is {self.kind} (seal {self.seal} of {self.tenant_id or 'the installation'})"


@dataclass(slots=True)
class Verdict:
    """What a check found. ``flaws`` are in the order of the chain, the first bad entry first."""

    seals: int = 0
    entries: int = 0
    flaws: list[Flaw] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        return not self.flaws


@dataclass(slots=True)
class _Chain:
    """How far one chain has been followed."""

    tenant_id: UUID | None
    number: int = 0
    hash: bytes = NOTHING_BEFORE
    place: streams.Cursor = field(default_factory=streams.Cursor)
    found: int = 0
    dropped_before: datetime | None = None
    gone: int = 0
    dropped: int | None = 0
    is_signed: bool = False
    witnesses: dict[int, str] = field(default_factory=dict)

    def flaw(self, kind: str, entry_id: UUID | None = None) -> Flaw:
        return Flaw(kind, self.tenant_id, self.number, entry_id)


def verify_seals(*, witnesses: Iterable[Head] = ()) -> Verdict:
    """Compare every sealed entry with its seal and every seal with the one before it.

    Without witnesses kept outside the database it cannot be told when the newest seals were taken away together with
    their entries, or when the whole chain was written anew; with them it can.
    """
    verdict, end = Verdict(), position()
    chains = {tenant_id: _Chain(tenant_id) for tenant_id in _tenants()}
    for head in witnesses:
        chains.setdefault(head.tenant_id, _Chain(head.tenant_id)).witnesses[head.number] = head.hash
    for chain in sorted(chains.values(), key=lambda each: str(each.tenant_id)):
        flaws = [*_walk(chain, verdict), *_inserted(chain, end)]
        verdict.flaws += sorted(flaws, key=lambda flaw: flaw.seal)
    return verdict


def _tenants() -> set[UUID | None]:
    sealed = AuditSeal.objects.order_by().values_list("tenant_id", flat=True).distinct()
    written = AuditEntry.objects.order_by().values_list("tenant_id", flat=True).distinct()
    return {*sealed, *written}


def _walk(chain: _Chain, verdict: Verdict) -> Iterator[Flaw]:
    """Follow a chain from its first seal to its last."""
    chain.dropped_before = _seals(chain).aggregate(latest=Max("dropped_before"))["latest"]
    for seal in _seals(chain).iterator(chunk_size=50):
        yield from _flaws_of_seal(chain, seal)
        yield from _flaws_of_entries(chain, seal)
        verdict.seals, verdict.entries = verdict.seals + 1, verdict.entries + seal.count
        chain.hash, chain.place = bytes(seal.hash), _end_of(seal)
    if chain.dropped is not None and chain.dropped != chain.gone:
        yield chain.flaw("miscounted")
    yield from (Flaw("missing", chain.tenant_id, number) for number in sorted(chain.witnesses))


def _flaws_of_seal(chain: _Chain, seal: AuditSeal) -> Iterator[Flaw]:
    while chain.number + 1 < seal.number:
        chain.number += 1
        yield chain.flaw("missing")
    chain.number, shown = seal.number, bytes(seal.hash)
    is_next = hash_of(seal) == shown and bytes(seal.previous) == chain.hash
    is_known = chain.witnesses.pop(seal.number, shown.hex()) == shown.hex()
    is_ours = not seal.signature or signer().has_signed(seal.key, SEAL + shown, bytes(seal.signature))
    if not (is_next and is_known and is_ours):
        yield chain.flaw("changed")
    elif chain.is_signed and not seal.signature:
        yield chain.flaw("unsigned")
    chain.is_signed = chain.is_signed or bool(seal.signature)
    if seal.dropped_before is not None:
        known = (seal.summary or {}).get("entries")
        chain.dropped = None if known is None or chain.dropped is None else chain.dropped + int(known)


def _flaws_of_entries(chain: _Chain, seal: AuditSeal) -> Iterator[Flaw]:
    """Compare the entries of one seal; behind a bad one go on from the link that was stored."""
    entries = AuditEntry.objects.in_bulk(seal.member_ids)
    chain.found += len(entries)
    link, place = bytes(seal.previous), chain.place
    for entry_id, stored in seal.links:
        entry = entries.get(entry_id)
        if entry is None:
            if _may_be_gone(entry_id, chain.dropped_before):
                chain.gone += 1
            else:
                yield chain.flaw("deleted", entry_id)
        elif digest(link, text_of(entry)) != stored:
            yield chain.flaw("edited", entry_id)
        elif not place < place.at(entry.xid, entry.seq) <= _end_of(seal):
            yield chain.flaw("moved", entry_id)
        else:
            place = place.at(entry.xid, entry.seq)
        link = stored


def _inserted(chain: _Chain, end: streams.Cursor) -> Iterator[Flaw]:
    """Name the entries that lie where the trail is sealed and that no seal knows."""
    rows = AuditEntry.objects.filter(tenant_id=chain.tenant_id).up_to(end)
    if rows.count() == chain.found:
        return  # Counting uses the tenant's index; looking between the seals reads everybody's entries.
    known: set[UUID] = set()
    for seal in _seals(chain):
        known.update(seal.member_ids)
    for entry_id, xid, seq in rows.order_by("xid", "seq").values_list("id", "xid", "seq"):
        if entry_id not in known:
            later = _seals(chain).exclude(last_xid__lt=xid).exclude(last_xid=xid, last_seq__lt=seq).first()
            yield Flaw("inserted", chain.tenant_id, later.number if later else chain.number, entry_id)


def _seals(chain: _Chain) -> QuerySet[AuditSeal]:
    return AuditSeal.objects.filter(tenant_id=chain.tenant_id).order_by("number")


def _end_of(seal: AuditSeal) -> streams.Cursor:
    return streams.Cursor(xid=seal.last_xid, seq=seal.last_seq)


def _may_be_gone(entry_id: UUID, dropped_before: datetime | None) -> bool:
    return dropped_before is not None and entry_id < ids.first_id_at(dropped_before)
