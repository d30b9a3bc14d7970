"""Narrowing lists of packages and versions."""

from __future__ import annotations

from apps.core.api.filters import ApiFilterSet, TextFilter
from apps.core.api.identifiers import IdFilter
from apps.packages.models import Package, PackageVersion


class PackageFilters(ApiFilterSet):
    """Packages of a tenant or folder, by part of a name, or by kind."""

    name = TextFilter()
    tenant = IdFilter(field_name="tenant_id")
    folder = IdFilter(field_name="folder_id")

    class Meta(ApiFilterSet.Meta):
        model = Package
        fields = ["tenant", "folder", "name", "kind"]


class PackageVersionFilters(ApiFilterSet):
    """Versions of a package, or those with a certain content."""

    tenant = IdFilter(field_name="tenant_id")
    package = IdFilter(field_name="package_id")

    class Meta(ApiFilterSet.Meta):
        model = PackageVersion
        fields = ["tenant", "package", "version", "sha256", "is_active"]
