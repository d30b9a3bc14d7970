"""Handing the audit trail out as a table or as lines of JSON, however long it is."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from apps.audit import services as audit
from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.edge.limits import spend
from apps.core.errors import NotAllowed
from apps.rbac import services as rbac

PERMISSION: Final = "audit.export_entry"
#: So many entries are looked at by one statement, whether they are wanted or not: none takes long.
STEP: Final = 2000
COLUMNS: Final = (
    "id", "ts", "tenant_id", "actor_kind", "actor_id", "actor_name", "on_behalf_of", "action", "action_type",
    "target_kind", "target_id", "target_name", "outcome", "permission", "reason", "address", "agent", "request_id",
    "before", "after",
)  # fmt: skip
_MEDIA_TYPES: Final = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
#: What makes a cell a formula to programs that open tables.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@transaction.atomic
def note_export(rows: QuerySet[AuditEntry], *, actor: Actor, form: str, asked: Mapping[str, Any]) -> QuerySet[Any]:
    """Write down that somebody is going to export entries, and return those of ``rows`` that they may.

    Raises ``NotAllowed`` for whoever may nowhere. It is written down where they may: for each tenant, or once for all.
    """
    reach = rbac.reach(actor, PERMISSION)
    if not actor.is_system and not reach.is_everywhere and not reach.tenants:
        says = f"It takes the permission {PERMISSION}: ask an administrator for a role that has it."
        raise NotAllowed(says, permission=PERMISSION, actor=actor)
    spend("export", actor)
    places = reach.tenants if not reach.is_everywhere and not actor.is_system else (None,)
    for tenant_id in places:
        facts = {"format": form, "filters": {name: str(value) for name, value in asked.items()}}
        audit.record(actor, "audit.exported", None, after=facts, tenant_id=tenant_id)
    return rbac.visible(rows, actor, PERMISSION)


def lines(rows: QuerySet[Any], form: str, *, of: QuerySet[Any]) -> Iterator[bytes]:
    """Yield ``rows``, newest first, in a form of ``FORMATS``.

    ``of`` are the entries they are among, bounded in time only. It is gone through step by step by the ids, so that
    nothing stays open between two steps, neither statement nor transaction, however slowly somebody reads; and memory
    holds one step.
    """
    begin, write = FORMATS[form]
    if begin:
        yield begin
    below: UUID | None = None
    while True:
        step = of.order_by("-id") if below is None else of.filter(id__lt=below).order_by("-id")
        seen = list(step.values_list("id", flat=True)[:STEP])
        if not seen:
            return
        for entry in rows.filter(id__gte=seen[-1], id__lte=seen[0]).order_by("-id"):
            yield write(_facts(entry))
        below = seen[-1]


def file_facts(form: str) -> tuple[str, str]:
    """Return of what kind a file of an export is, and what it is called."""
    return _MEDIA_TYPES[form], f"audit-{datetime.now(UTC):%Y%m%d-%H%M%S}.{form}"


def _facts(entry: AuditEntry) -> dict[str, Any]:
    facts = {name: getattr(entry, name) for name in COLUMNS}
    return facts | {"ts": entry.ts.astimezone(UTC).isoformat(timespec="microseconds")}


def _as_json(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(facts, ensure_ascii=False, default=str).encode() + b"\n"


def _as_row(facts: Mapping[str, Any]) -> bytes:
    return _row([_cell(value) for value in facts.values()])


def _cell(value: Any) -> str:
    """Return a value as a cell that no program takes for a formula: such a one gets an apostrophe in front."""
    if value is None:
        return ""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, (dict, list)) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _row(cells: list[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()


#: By name: what the file begins with, and what writes an entry. The mark at the start makes Excel read UTF-8.
FORMATS: Final[Mapping[str, tuple[bytes, Callable[[Mapping[str, Any]], bytes]]]] = {
    "csv": (b"\xef\xbb\xbf" + _row(list(COLUMNS)), _as_row),
    "jsonl": (b"", _as_json),
}
