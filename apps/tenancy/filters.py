"""Narrowing lists of tenants and folders."""

from __future__ import annotations

from apps.core.api.filters import ApiFilterSet, TextFilter
from apps.core.api.identifiers import IdFilter
from apps.tenancy.models import Folder, Tenant


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
