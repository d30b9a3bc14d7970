"""Narrowing lists of tenants, folders and brakes."""

from __future__ import annotations

import django_filters
from django.db.models import QuerySet

from apps.core.api.filters import ApiFilterSet, TextFilter
from apps.core.api.identifiers import IdFilter
from apps.tenancy.models import Brake, Folder, Tenant


class TenantFilters(ApiFilterSet):
    """Tenants by slug, status, or part of a name."""

    name = TextFilter()

    class Meta(ApiFilterSet.Meta):
        model = Tenant
        fields = ["slug", "name", "status"]


class FolderFilters(ApiFilterSet):
    """Folders of a tenant, or right inside another folder."""

    name = TextFilter()
    tenant = IdFilter(field_name="tenant_id")
    parent = IdFilter(field_name="parent_id")

    class Meta(ApiFilterSet.Meta):
        model = Folder
        fields = ["tenant", "parent", "name", "is_default"]


class BrakeFilters(ApiFilterSet):
    """Brakes of a tenant or right on a folder, and only those that are on."""

    tenant = IdFilter(field_name="tenant_id")
    folder = IdFilter(field_name="folder_id")
    is_on = django_filters.BooleanFilter(method="narrow_to_on", label="Only those that hold now, or only the others.")

    class Meta(ApiFilterSet.Meta):
        model = Brake
        fields = ["tenant", "folder"]

    def narrow_to_on(self, brakes: QuerySet[Brake], name: str, value: bool) -> QuerySet[Brake]:
        """Keep the brakes that hold now, or those that do not."""
        on = Brake.objects.on().values("pk")
        return brakes.filter(pk__in=on) if value else brakes.exclude(pk__in=on)
