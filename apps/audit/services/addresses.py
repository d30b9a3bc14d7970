"""From where credentials are used: the first use from each address is an entry in the trail."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from threading import Lock
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from apps.audit.models import KnownAddress
from apps.audit.services.recording import record
from apps.core import context, ids, statements
from apps.core.actors import Actor

#: So many addresses of one holder are told apart: whoever has more of them moves about, and says nothing by it.
MOST_ADDRESSES: Final = 100
#: What one process remembers, so that it asks the database about an address once.
_REMEMBERED: Final = 20_000

_MEET = """
    INSERT INTO audit_knownaddress (id, tenant_id, holder_id, address)
    SELECT %(id)s, %(tenant)s, %(holder)s, %(address)s::inet
    WHERE (SELECT count(*) FROM audit_knownaddress WHERE holder_id = %(holder)s::uuid) < %(most)s::int
    ON CONFLICT (holder_id, address) DO NOTHING
    RETURNING id
"""
_IS_KNOWN = "SELECT 1 FROM audit_knownaddress WHERE holder_id = %(holder)s::uuid AND address = %(address)s::inet"


class _Memory:
    """What this process has met before: whether an address of a holder is one of those told apart."""

    def __init__(self) -> None:
        self._met: OrderedDict[tuple[UUID, str], bool] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[UUID, str]) -> bool | None:
        with self._lock:
            return self._met.get(key)

    def put(self, key: tuple[UUID, str], is_told_apart: bool) -> None:
        with self._lock:
            self._met[key] = is_told_apart
            if len(self._met) > _REMEMBERED:
                self._met.popitem(last=False)


_memory = _Memory()


def meet_address(actor: Actor, action: str, holder: Any) -> str | None:
    """Write down ``action`` where a credential of ``holder``, a row, is used from an address for the first time.

    Returns the address of the request, or ``None`` where there is none, or none that is told apart. In a process that
    has met the address before it costs nothing.
    """
    address = context.current().address
    if address is None:
        return None
    is_told_apart = _memory.get((holder.pk, address))
    if is_told_apart is None:
        is_told_apart = _meet(actor, action, holder, address)
        _memory.put((holder.pk, address), is_told_apart)
    return address if is_told_apart else None


def has_met_address(holder_id: UUID) -> bool:
    """Say whether this process has met the address of the request with a credential of that holder; for hot calls."""
    address = context.current().address
    return address is None or _memory.get((holder_id, address)) is not None


def forget_addresses(before: datetime) -> int:
    """Forget addresses that were first met before a moment; from then on they are new again."""
    return KnownAddress.objects.filter(created_at__lt=before).delete()[0]


def _meet(actor: Actor, action: str, holder: Any, address: str) -> bool:
    facts = {"tenant": holder.tenant_id, "holder": holder.pk, "address": address}
    with transaction.atomic():
        if statements.fetch(_MEET, {**facts, "id": ids.uuid7(), "most": MOST_ADDRESSES}):
            record(actor, action, holder, after={"address": address})
            return True
        return bool(statements.fetch(_IS_KNOWN, {"holder": holder.pk, "address": address}))
