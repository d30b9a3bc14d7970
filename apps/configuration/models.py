"""What was set at the running system, beside the settings of its environment."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.configuration.rules import GROUPS, Group, Known, ValueType, name_of
from apps.core.models import Row
from apps.encryption.models import SealedField, unseal

#: A process goes by what it has read for so long, where it reads often.
SECONDS_KNOWN: Final = 5.0
_read: dict[tuple[str, UUID | None], tuple[float, dict[str, Any]]] = {}


class SettingQuerySet(models.QuerySet["Setting"]):
    """Reading settings."""

    def of_group(self, group: Group) -> SettingQuerySet:
        return self.filter(name__in=[name_of(group.name, key) for key in group.keys])

    def in_force(self, group: str, tenant_id: UUID | None = None) -> dict[str, Any]:
        """Return what holds for the installation or in a tenant: its own, else the installation's, else the default."""
        known = GROUPS[group]
        rows = self.of_group(known).filter(Q(tenant=None) | Q(tenant_id=tenant_id))
        return _merged(known, rows.order_by(models.F("tenant_id").asc(nulls_first=True)))

    def lately(self, group: str, tenant_id: UUID | None = None) -> Mapping[str, Any]:
        """Return what held at most ``SECONDS_KNOWN`` ago, for what asks too often to ask the database each time."""
        known = _read.get((group, tenant_id))
        if known is None or time.monotonic() - known[0] > SECONDS_KNOWN:
            known = _read[group, tenant_id] = (time.monotonic(), self.in_force(group, tenant_id))
        return known[1]

    def secret(self, group: str, key: str) -> str:
        """Return a secret of the installation, or nothing. Whoever calls has asked whether it may."""
        row = self.filter(name=name_of(group, key), tenant=None).exclude(sealed="").first()
        return unseal(row, "sealed") if row is not None else ""

    def by_tenant(self, group: str, key: str) -> dict[UUID, Any]:
        """Return what single tenants have set for themselves."""
        known = _known(group, key)
        rows = self.filter(name=name_of(group, key), tenant__isnull=False)
        own = dict(rows.values_list("tenant_id", "value"))
        return {tenant: value for tenant, value in own.items() if known.per_tenant and not known.problem_of(value)}


class Setting(Row):
    """The value that somebody set for a known key: for the installation or, in its place, for one tenant."""

    tenant = models.ForeignKey("tenancy.Tenant", null=True, on_delete=models.PROTECT, related_name="+", editable=False)
    name = models.CharField(max_length=100, editable=False, help_text="The group and the key: <group>.<key>.")
    type = models.CharField(max_length=8, choices=[(one.value, one.value) for one in ValueType], editable=False)
    value = models.JSONField(help_text="Of a secret: what stands for it.")
    sealed = SealedField(blank=True, default="")
    set_by = models.CharField(max_length=200, editable=False)
    set_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = SettingQuerySet.as_manager()

    class Meta:
        default_permissions = ("view", "change")
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="setting_once", nulls_distinct=False),
            models.CheckConstraint(name="setting_type_known", condition=Q(type__in=[one.value for one in ValueType])),
        ]

    def __str__(self) -> str:
        return self.name


def forget_read() -> None:
    """Let this process read all settings anew."""
    _read.clear()


def _known(group: str, key: str) -> Known:
    known = GROUPS[group].find(key)
    if known is None:
        raise KeyError(key)
    return known


def _merged(group: Group, rows: models.QuerySet[Setting]) -> dict[str, Any]:
    values: dict[str, Any] = {one.key: one.fallback for one in group.settings}
    values |= _fit(group, rows)
    return values | group.tell(values)


def _fit(group: Group, rows: models.QuerySet[Setting]) -> Mapping[str, Any]:
    """Return what rows say, the later over the earlier; what no longer fits its key is as good as not set."""
    values: dict[str, Any] = {}
    for row in rows:
        known = group.find(row.name.partition(".")[2])
        if known is None or known.problem_of(row.value) or (row.tenant_id is not None and not known.per_tenant):
            continue
        values[known.key] = row.value
    return values
