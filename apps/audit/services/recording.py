"""Writing down who did what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.audit.models import AuditEntry, Outcome
from apps.audit.rules import clean, presentable
from apps.core import context, statements
from apps.core.actors import Actor
from apps.core.errors import NotAllowed
from apps.core.streams import require_transaction

REFUSED = "permission.refused"
_BATCH = 500


def record(
    actor: Actor,
    action: str,
    target: Any,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
    tenant_id: UUID | None = None,
    outcome: str = Outcome.DONE,
    permission: str = "",
    on_behalf_of: str = "",
) -> AuditEntry:
    """Write down that ``actor`` did ``action`` (``noun.past_participle``) to ``target``, in the transaction of the act.

    ``target`` is a row, or ``None`` for an act without one. Its tenant is the entry's, unless ``tenant_id`` names
    another. Secrets in ``before``, ``after`` and ``reason`` are hidden, see ``rules.presentable``. Raises
    ``TransactionManagementError`` outside a transaction.
    """
    require_transaction("An audit entry")
    entry = AuditEntry(
        tenant_id=tenant_id or _tenant_of(target, actor),
        on_behalf_of=clean(on_behalf_of, longest=200),
        outcome=outcome,
        permission=permission,
        **_act(actor, action, reason),
        **_facts_of(target),
        **_change(before, after),
    )
    statements.insert(entry)
    return entry


def record_each(
    actor: Actor, action: str, changes: Iterable[tuple[Any, Mapping[str, Any], Mapping[str, Any]]], *, reason: str = ""
) -> None:
    """Write down one act on many rows, an entry for each, by a few statements however many they are.

    ``changes`` holds for each row what ``record`` calls its target, before and after. Raises
    ``TransactionManagementError`` outside a transaction.
    """
    require_transaction("An audit entry")
    act = _act(actor, action, reason)
    entries = [
        AuditEntry(tenant_id=_tenant_of(target, actor), **act, **_facts_of(target), **_change(before, after))
        for target, before, after in changes
    ]
    AuditEntry.objects.bulk_create(entries, batch_size=_BATCH)


def record_refusal(refusal: NotAllowed, *, actor: Actor) -> AuditEntry:
    """Write down that ``actor`` was refused, in a transaction of its own.

    To be called by a door once the refused one has been rolled back; inside another transaction, which could take the
    entry back with it, it raises ``RuntimeError``.
    """
    with transaction.atomic(durable=True):
        return record(
            actor,
            REFUSED,
            refusal.target,
            reason=str(refusal),
            outcome=Outcome.REFUSED,
            permission=refusal.permission,
        )


def _act(actor: Actor, action: str, reason: str) -> dict[str, Any]:
    """Return what an entry says of the act and of the request in which it was done."""
    request = context.current()
    return {
        "actor_kind": actor.kind,
        "actor_id": clean(actor.id, longest=128),
        "actor_name": clean(actor.name, longest=200),
        "action": action,
        "reason": clean(reason),
        "request_id": clean(request.request_id, longest=128),
        "address": request.address,
        "agent": clean(request.agent, longest=300),
    }


def _change(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "before": None if before is None else presentable(before),
        "after": None if after is None else presentable(after),
    }


def _tenant_of(target: Any, actor: Actor) -> UUID | None:
    return actor.tenant_id if target is None else getattr(target, "tenant_id", None)


def _facts_of(target: Any) -> dict[str, Any]:
    if target is None:
        return {}
    return {
        "target_kind": target._meta.model_name,
        "target_id": target.pk,
        "target_name": clean(str(target), longest=200),
    }
