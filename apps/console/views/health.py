"""Whether this process answers, and whether the system it belongs to can work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Final

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, JsonResponse

from apps.console.models import RoleHeartbeat
from apps.console.rules import BEAT, is_silent, what_to_do, worker_for
from apps.console.views import broker
from apps.core.api.plain import api_view
from apps.core.edge.middleware import quiet
from apps.encryption import services as encryption

OK, DEGRADED, UNAVAILABLE = "ok", "degraded", "unavailable"
#: Seconds after which a load balancer should look again.
_RETRY_AFTER: Final = 5


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, how it is, and what to do about it."""

    name: str
    status: str = OK
    detail: str = ""
    what_to_do: str = ""

    @classmethod
    def failing(cls, name: str, status: str, detail: str) -> Check:
        return cls(name, status, detail, what_to_do(name))


@quiet
@api_view("GET", "HEAD")
def live(request: HttpRequest) -> JsonResponse:
    """Answer as long as the process does; nothing else is asked, so that a restart is never the wrong cure."""
    return JsonResponse({"status": OK})


@quiet
@api_view("GET", "HEAD")
def ready(request: HttpRequest) -> JsonResponse:
    """Say whether requests can be served. Only the database and its tables are needed for that.

    Without beat, worker or broker robots go on working, so their absence is reported but takes nothing out of service.
    """
    checks = list(_checks())
    states = {check.status for check in checks}
    status = next((state for state in (UNAVAILABLE, DEGRADED) if state in states), OK)
    answer: dict[str, Any] = {"status": status, "checks": [asdict(check) for check in checks]}
    if status == UNAVAILABLE:
        return JsonResponse(answer, status=503, headers={"Retry-After": str(_RETRY_AFTER)})
    return JsonResponse(answer)


def _checks() -> Iterator[Check]:
    try:
        missing = missing_migrations()
        ages = RoleHeartbeat.objects.ages() if not missing else {}
    except (OperationalError, InterfaceError):
        yield Check.failing("database", UNAVAILABLE, "PostgreSQL does not answer.")
        return
    yield Check("database")
    yield _migrations(missing)
    if not missing:
        yield _keys()
    yield _broker()
    yield _role(BEAT, ages.get(BEAT))
    for queue in settings.QUEUES:
        yield _role(worker_for(queue), ages.get(worker_for(queue)))


def _migrations(missing: list[str]) -> Check:
    if not missing:
        return Check("migrations")
    return Check.failing("migrations", UNAVAILABLE, f"Not applied: {', '.join(missing[:5])}.")


def _keys() -> Check:
    """Look whether secrets could be opened: better out of service than jobs that fail one by one."""
    try:
        flaw = next(encryption.flaws_of_keys(), None)
    except ValueError as error:
        return Check.failing("keys", UNAVAILABLE, f"MASTER_KEYS cannot be read: {error}.")
    if flaw is not None:
        return Check.failing("keys", UNAVAILABLE, "A data key does not open, so secrets cannot be handed out.")
    return Check("keys")


def _broker() -> Check:
    try:
        broker.require_answer()
    except broker.AWAY:
        return Check.failing("broker", DEGRADED, "The broker does not answer.")
    return Check("broker")


def _role(role: str, age: timedelta | None) -> Check:
    if not is_silent(age):
        return Check(role)
    seen = f"last seen {age.total_seconds():.0f} seconds ago" if age is not None else "never seen"
    kind, _, queue = role.partition(":")
    who = f"{kind} takes tasks of the queue {queue}" if queue else f"{kind} is running"
    return Check.failing(role, DEGRADED, f"No {who}: {seen}.")


def missing_migrations() -> list[str]:
    """Return the migrations of this code that the database has not had; raises ``OperationalError``."""
    applied = set(MigrationRecorder(connection).applied_migrations())
    return [
        ".".join(key)
        for key, replaced in _migrations_on_disk().items()
        if key not in applied and not (replaced and applied.issuperset(replaced))
    ]


@cache
def _migrations_on_disk() -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Return this code's migrations and what each replaces; they do not change while the process runs."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    return {key: list(migration.replaces) for key, migration in sorted(loader.disk_migrations.items())}
