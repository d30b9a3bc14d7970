"""The heads of the chains: kept outside, they are the witnesses of everything before them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from apps.audit.models import AuditSeal
from apps.audit.rules import canonical
from apps.audit.services.sealing import now, signer

#: What signatures of heads begin with, so that they are of use nowhere else.
HEAD = b"bv-audit-head:"


@dataclass(frozen=True, slots=True)
class Head:
    """The newest seal of one chain. Kept anywhere outside the database, it is the witness of all before it."""

    tenant_id: UUID | None
    number: int
    hash: str


def heads(seals: QuerySet[AuditSeal] | None = None) -> list[Head]:
    """Return the newest seal of each chain, to be kept outside and shown to ``verify_seals``."""
    rows = AuditSeal.objects.all() if seals is None else seals
    newest = rows.order_by("tenant_id", "-number").distinct("tenant_id").only("tenant_id", "number", "hash")
    return [Head(seal.tenant_id, seal.number, bytes(seal.hash).hex()) for seal in newest]


def signed_heads(found: Iterable[Head]) -> list[dict[str, Any]]:
    """Return heads as statements that anybody can check by the public key: what the newest seal was at what time."""
    at = now()
    return [signed_head(head, at) for head in found]


def signed_head(head: Head, at: datetime) -> dict[str, Any]:
    """Return the statement that ``head`` was the newest seal of its chain at a time."""
    said = {"tenant_id": head.tenant_id, "number": head.number, "hash": head.hash, "at": at}
    statement = canonical(said)
    key, signature = signer().sign(HEAD + statement)
    return {**json.loads(statement), "key": key, "signature": signature.hex()}
