"""Looking for rows that break what must always be true."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from apps.configuration.models import Setting
from apps.jobs.rules.invariants import OF_CLIENTS, OF_ITEMS, OF_ROWS, OF_TRIGGERS, Invariant, within_tenants

#: How many offending rows of each invariant are named.
MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One invariant and the rows that break it: each row's id and what is wrong with it, the first ``MOST_NAMED``."""

    invariant: Invariant
    broken: list[tuple[UUID, str]]

    @property
    def holds(self) -> bool:
        return not self.broken

    def __str__(self) -> str:
        named = "; ".join(f"{identity} {problem}" for identity, problem in self.broken)
        return f"{self.invariant.name} {'holds' if self.holds else f'is broken: {named}'}"


def check_invariants(client_log: Iterable[Mapping[str, Any]] | None = None) -> list[Finding]:
    """Return a finding for each invariant, within the caller's transaction; with a client log, of clients' too."""
    of_clients = OF_CLIENTS if client_log is not None else ()
    wanted = [*OF_ROWS, *OF_ITEMS, *OF_TRIGGERS, within_tenants(), *of_clients]
    parameters = {
        "ttl": Setting.objects.lately("jobs")["lease_seconds"],
        "sweep_every": float(settings.CELERY_BEAT_SCHEDULE["jobs.sweep_leases"]["schedule"]),
        "log": json.dumps(list(client_log or ()), default=str),
    }
    by_number = sorted(wanted, key=lambda invariant: int(invariant.name[1:]))
    return [Finding(invariant, _broken(invariant, parameters)) for invariant in by_number]


def check_live(client_log: Iterable[Mapping[str, Any]] | None = None) -> list[Finding]:
    """Return the findings of one moment of a live system: a snapshot that locks nothing and cannot write."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return check_invariants(client_log)


def _broken(invariant: Invariant, parameters: Mapping[str, Any]) -> list[tuple[UUID, str]]:
    with connection.cursor() as cursor:
        cursor.execute(f"{invariant.sql} LIMIT {MOST_NAMED}", parameters)
        return [(row[0], row[1]) for row in cursor.fetchall()]
