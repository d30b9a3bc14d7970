"""For how long rows are kept, and how what is older is chosen and held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection, models

#: The tenants that have days of their own, as a relation with ``tenant_id`` and ``days``.
OWN_DAYS: Final = "unnest(%(tenants)s::uuid[], %(tenant_days)s::int[]) AS own(tenant_id, days)"


@dataclass(frozen=True, slots=True)
class Keeping:
    """For how many days rows of one kind are kept: a tenant's own number, else that of the installation."""

    days: int
    by_tenant: Mapping[UUID, int] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, Any]:
        """What statements with ``OWN_DAYS`` are given."""
        return {"days": self.days, "tenants": list(self.by_tenant), "tenant_days": list(self.by_tenant.values())}


@dataclass(frozen=True, slots=True)
class Gone:
    """How many rows a batch let go, and when the last of them had ended."""

    count: int = 0
    newest: datetime | None = None


def first_id(days: str) -> str:
    """Return the SQL of the lowest UUIDv7 that a row made so many days ago can have; ``days`` is SQL as well."""
    moment = f"(statement_timestamp() - make_interval(days => {days}))"
    return f"(lpad(to_hex((extract(epoch FROM {moment}) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid"


def of_tenants(table: str, condition: str) -> str:
    """Return the SQL that finds rows made too long ago of which ``condition`` is true, tenant by tenant.

    ``table`` has ``UNIQUE (tenant, id)``; the condition calls a row ``r``. Parameters are those of a ``Keeping``, and
    ``limit``.
    """
    return f"""
        SELECT found.id FROM tenancy_tenant t LEFT JOIN {OWN_DAYS} ON own.tenant_id = t.id
        CROSS JOIN LATERAL (
            SELECT r.id FROM {table} r
            WHERE r.tenant_id = t.id AND r.id < {first_id("coalesce(own.days, %(days)s)")} AND {condition}
            ORDER BY r.id LIMIT %(limit)s) found
        LIMIT %(limit)s
    """


def choose(statement: str, parameters: Mapping[str, Any]) -> list[UUID]:
    """Return the ids that a statement finds."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [row[0] for row in cursor.fetchall()]


def hold(model: type[models.Model], chosen: Sequence[UUID]) -> list[UUID]:
    """Lock those of the rows that nobody else holds, until the transaction ends, and return their ids.

    What must be true of them is to be asked by a further statement: it alone sees what was written before the lock.
    """
    table = model._meta.db_table
    statement = f'SELECT id FROM "{table}" WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE SKIP LOCKED'
    return choose(statement, {"ids": list(chosen)}) if chosen else []


def delete(statement: str, going: Sequence[UUID]) -> list[Any]:
    """Run a ``DELETE`` that names ``%(ids)s``; return the first column of what it returns, or nothing."""
    with connection.cursor() as cursor:
        cursor.execute(statement, {"ids": list(going)})
        return [row[0] for row in cursor.fetchall()] if cursor.description else []
