"""What existing BV clients ask of the audit trail, and what they read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.utils.dateparse import parse_date, parse_datetime

from apps.audit.models import AuditEntry, AuditEntryQuerySet, in_words
from apps.audit.rules import ACTION_TYPES, OTHER
from apps.core.api.filters import TEXT_LENGTH
from apps.core.errors import Invalid

MOST_ON_A_PAGE: Final = 500
#: Nothing is counted and no page is turned beyond so many entries: both would go through all of them.
MOST_COUNTED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Asked:
    """Which entries a client asks for, and which page of them."""

    filters: Mapping[str, str]
    since: datetime | None
    until: datetime | None
    page: int
    size: int

    def narrow(self, entries: AuditEntryQuerySet) -> AuditEntryQuerySet:
        """Return the entries that are asked for. A search that names no time, user or object looks back 30 days."""
        told = self.filters
        rows = entries.between(self.since, self.until)
        if told and self.since is None and not {"user_id", "entity_id"} & told.keys():
            rows = rows.lately()
        if "action_type" in told:
            rows = rows.of_type(told["action_type"])
        if "search" in told:
            rows = rows.matching(told["search"])
        return rows.filter(**{_COLUMNS[name]: value for name, value in told.items() if name in _COLUMNS})


#: By their names of filters: which columns of ours these compare.
_COLUMNS: Final = {
    "user": "actor_name__iexact",
    "user_id": "actor_id",
    "action": "action__iexact",
    "entity_type": "target_kind",
    "entity_id": "target_id",
}


def read_query(query: Mapping[str, str]) -> Asked:
    """Read the parameters of a list. Raises ``Invalid`` naming the one that is wrong; unknown ones are let pass."""
    size = _whole(query, "page_size", usual=50, most=MOST_ON_A_PAGE)
    page = _whole(query, "page", usual=1, most=MOST_COUNTED)
    if page * size > MOST_COUNTED:
        raise Invalid.field("page", f"goes no further than {MOST_COUNTED} entries. Narrow the time by from and to.")
    told = {
        "user": query.get("user") or query.get("username", ""),
        "user_id": query.get("user_id", ""),
        "action": query.get("action", ""),
        "action_type": query.get("action_type", ""),
        "entity_type": query.get("entity_type", "").replace("_", "").lower(),
        "entity_id": query.get("entity_id", ""),
        "search": query.get("search") or query.get("q", ""),
    }
    filters = {name: value[:TEXT_LENGTH] for name, value in told.items() if value}
    if filters.get("action_type", OTHER) not in (*ACTION_TYPES, OTHER):
        raise Invalid.field("action_type", f"is one of {', '.join((*ACTION_TYPES, OTHER))}.")
    if "entity_id" in filters:
        filters["entity_id"] = str(_id(filters["entity_id"]))
    return Asked(filters, _moment(query, "from_time", "from"), _moment(query, "to_time", "to"), page, size)


def entry_row(entry: AuditEntry) -> dict[str, Any]:
    """Return an entry as a list shows it."""
    what = entry.target_in_words
    return {
        "id": entry.pk,
        "timestamp": entry.ts.astimezone(UTC).isoformat(timespec="milliseconds"),
        "actor_username": entry.actor_name,
        "action": entry.action,
        "action_type": entry.action_type,
        "entity_type": entry.target_kind,
        "entity_display": in_words(entry.target_kind),
        "entity_id": entry.target_id,
        "entity_name": entry.target_name,
        "message": f"{entry.actor_name}: {entry.action} {what}".rstrip(),
        "summary": ", ".join(sorted({**(entry.before or {}), **(entry.after or {})})) or entry.reason,
    }


def entry_body(entry: AuditEntry) -> dict[str, Any]:
    """Return an entry with all that is known of it; what it was before and after is JSON within a text."""
    told = {
        "outcome": entry.outcome,
        "reason": entry.reason,
        "permission": entry.permission,
        "request_id": entry.request_id,
        "on_behalf_of": entry.on_behalf_of,
        "actor_kind": entry.actor_kind,
        "actor_id": entry.actor_id,
        "tenant_id": entry.tenant_id,
    }
    return {
        **entry_row(entry),
        "ip_address": entry.address,
        "user_agent": entry.agent,
        "before_data": _as_text(entry.before),
        "after_data": _as_text(entry.after),
        "metadata": told,
    }


def _as_text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _whole(query: Mapping[str, str], name: str, *, usual: int, most: int) -> int:
    text = query.get(name) or str(usual)
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= most):
        raise Invalid.field(name, f"is a whole number from 1 to {most}.")
    return int(text)


def _moment(query: Mapping[str, str], *names: str) -> datetime | None:
    """Read a moment; what says no time zone is UTC, as their server's was, and a day begins at midnight."""
    name = next((name for name in names if query.get(name)), None)
    if name is None:
        return None
    text = query[name]
    try:
        # A plus sign that was sent as it is arrives as a space.
        moment = parse_datetime(text) or parse_datetime(text.replace(" ", "+"))
        if moment is None and (day := parse_date(text)) is not None:
            moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
    except ValueError:
        moment = None
    if moment is None or not 1971 <= moment.year <= 9000:
        raise Invalid.field(name, "is a moment such as 2026-11-22T09:30:00Z.")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Invalid.field("entity_id", "is a UUID.") from None
