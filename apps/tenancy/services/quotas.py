"""Quotas: the most that a tenant may have of something, held to by whoever makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.apps import apps
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from apps.audit import services as audit
from apps.core import ids, statements
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, Problem
from apps.events import services as events
from apps.rbac import services as rbac
from apps.tenancy.models import Quota, QuotaName, Tenant

MOST: Final = 1_000_000_000
#: Shares, in percent, at which it is told that a quota is being used up.
_TOLD_AT: Final = (100, 80)
_HOUR: Final = timedelta(hours=1)
_LIMIT: Final = "SELECT id, most, told FROM tenancy_quota WHERE tenant_id = %(tenant)s AND name = %(name)s"
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('quota ' || %(name)s || %(tenant)s::text, 0))"


class QuotaExceeded(Conflict):
    """The tenant has as much of something as it may; the answer says of what, how much, and when some is free."""

    code = "quota_exceeded"


@dataclass(frozen=True, slots=True)
class Use:
    """What a tenant has of something, and the most it may have (none: no limit)."""

    name: QuotaName
    used: int
    most: int | None = None
    set_by: str = ""
    set_at: datetime | None = None

    @property
    def percent(self) -> int:
        """How much of the limit is used, 100 at most; 0 where there is none."""
        return 0 if self.most is None else 100 if self.used >= self.most else self.used * 100 // self.most


@transaction.atomic
def set_quotas(tenant: Tenant, *, actor: Actor, quotas: Mapping[str, int | None]) -> list[Use]:
    """Limit a tenant, or lift a limit (``None``); what is not named stays. Nothing that is there goes.

    It takes a right over the whole installation: nobody raises their own. Raises ``Invalid``.
    """
    rbac.require(actor, "tenancy.change_tenant", rbac.EVERYWHERE)
    problems = [
        Problem(name, f"name a whole number from 0 to {MOST:,}, or null for no limit.")
        for name, most in quotas.items()
        if name not in QuotaName.values or not (most is None or 0 <= most <= MOST)
    ]
    if problems:
        raise Invalid("; ".join(f"{one.field}: {one.message}" for one in problems), problems=problems)
    Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
    rows = Quota.objects.filter(tenant=tenant)
    before = dict(rows.values_list("name", "most"))
    for name, most in quotas.items():
        if most is None:
            rows.filter(name=name).delete()
        elif most != before.get(name):
            facts = {"most": most, "set_by": str(actor)[:200], "set_at": Now(), "told": 0}
            Quota.objects.update_or_create(tenant=tenant, name=name, defaults=facts)
    audit.record(actor, "tenant.quotas_set", tenant, before=before, after=dict(rows.values_list("name", "most")))
    return uses_of(tenant)


def uses_of(tenant: Tenant) -> list[Use]:
    """Return what a tenant has of everything that can be limited."""
    limits = {quota.name: quota for quota in Quota.objects.filter(tenant=tenant)}
    found = []
    for name, count in _COUNTS.items():
        quota = limits.get(name)
        facts = (quota.most, quota.set_by, quota.set_at) if quota else ()
        found.append(Use(name, count(tenant.pk), *facts))
    return found


def stay_within(tenant: UUID, *, name: QuotaName, wanted: int = 1) -> None:
    """Let so many more be made in the transaction under way. Raises ``QuotaExceeded``; none are made then."""
    if room_for(tenant, name=name, wanted=wanted) < wanted:
        raise exceeded(tenant, name=name)


def room_for(tenant: UUID, *, name: QuotaName, wanted: int) -> int:
    """Return how many of those wanted may be made. Who makes them holds the quota until the transaction ends.

    One question where there is no quota. Where there is one, the use is counted by a statement of its own after the
    lock, so that it sees what others made who held it before: none go beyond it together.
    """
    if not statements.fetch(_LIMIT, {"tenant": tenant, "name": name.value}):
        return wanted
    statements.fetch(_LOCK, {"tenant": tenant, "name": name.value})
    found = statements.fetch(_LIMIT, {"tenant": tenant, "name": name.value})
    if not found:
        return wanted
    [(pk, most, told)] = found
    used = _COUNTS[name](tenant)
    room: int = max(min(wanted, most - used), 0)
    _tell_share(pk, told, used + room, most)
    return room


def exceeded(tenant: UUID, *, name: QuotaName) -> QuotaExceeded:
    """Return the refusal of what goes beyond a quota."""
    most, used = Quota.objects.get(tenant=tenant, name=name).most, _COUNTS[name](tenant)
    frees_at = _FREES[name](tenant)
    when = f"There is room again from {frees_at:%H:%M:%S} UTC on." if frees_at else "Delete some, or have it raised."
    message = f"This tenant has {used:,} of at most {most:,} {name.label.lower()}. {when}"
    return QuotaExceeded(message, quota=name.value, limit=most, used=used, frees_at=frees_at and frees_at.isoformat())


def _tell_share(pk: UUID, told: int, used: int, most: int) -> None:
    share = next((share for share in _TOLD_AT if used * 100 >= share * most), 0)
    if share == told:
        return
    Quota.objects.filter(pk=pk).update(told=share)
    if share > told:
        quota = Quota.objects.select_related("tenant").get(pk=pk)
        facts = {"quota": quota.name, "percent": share, "used": used, "limit": most}
        events.record("tenant.quota_reached", quota.tenant, data=facts)


def _robots(tenant: UUID) -> int:
    # The tables lie above this app; what is counted is the same, whoever makes it.
    return int(apps.get_model("robots", "Robot").objects.filter(tenant_id=tenant, deleted_at=None).count())


def _jobs_of_the_hour(tenant: UUID) -> Any:
    """Return the jobs of the last hour; ids are in the order of time, and an index begins with the tenant."""
    since = ids.first_id_at(timezone.now() - _HOUR)
    return apps.get_model("jobs", "Job").objects.filter(tenant_id=tenant, pk__gte=since)


def _next_free_hour(tenant: UUID) -> datetime | None:
    oldest = _jobs_of_the_hour(tenant).order_by("pk").values_list("pk", flat=True).first()
    return oldest and ids.made_at(oldest) + _HOUR


_COUNTS: Final[dict[QuotaName, Callable[[UUID], int]]] = {
    QuotaName.ROBOTS: _robots,
    QuotaName.JOBS_PER_HOUR: lambda tenant: int(_jobs_of_the_hour(tenant).count()),
}
_FREES: Final[dict[QuotaName, Callable[[UUID], datetime | None]]] = {
    QuotaName.ROBOTS: lambda tenant: None,
    QuotaName.JOBS_PER_HOUR: _next_free_hour,
}
