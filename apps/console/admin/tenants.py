"""Tenants of streams, whose rows name them by plain ids."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest

from apps.core.admin import choices, display
from apps.core.admin.base import SimpleListFilter
from apps.core.admin.filters import MOST_CHOICES
from apps.core.api.callers import actor_of
from apps.tenancy.models import Tenant


class TenantFilter(SimpleListFilter):
    """Narrows by tenant, offering those the person may see."""

    title = "tenant"
    parameter_name = "tenant"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(one.pk), one.name) for one in choices.offered(Tenant, actor_of(request))[:MOST_CHOICES]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        try:
            return queryset.filter(tenant_id=UUID(self.value()))
        except ValueError:
            return queryset.none()


def named(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Add ``tenant_name`` to rows of a stream."""
    names = Tenant.objects.filter(pk=OuterRef("tenant_id")).values("name")
    found: QuerySet[Any] = rows.annotate(tenant_name=Subquery(names[:1]))
    return found


def name_of(identity: UUID | None) -> str:
    """Return the name of a tenant; empty where there is none."""
    return Tenant.objects.filter(pk=identity).values_list("name", flat=True).first() or "" if identity else ""


@display.column("Tenant")
def column(row: Any) -> str:
    """Name the tenant of a row of a stream (see ``named``)."""
    return row.tenant_name or display.NOTHING
