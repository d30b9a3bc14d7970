"""Narrowing lists of processes."""

from __future__ import annotations

from apps.core.api.filters import ApiFilterSet, TextFilter
from apps.core.api.identifiers import IdFilter
from apps.processes.models import Process


class ProcessFilters(ApiFilterSet):
    """Processes of a tenant, folder or package, by part of a name, by kind, or by whether they are enabled."""

    name = TextFilter()
    tenant = IdFilter(field_name="tenant_id")
    folder = IdFilter(field_name="folder_id")
    package = IdFilter(field_name="package_id")

    class Meta(ApiFilterSet.Meta):
        model = Process
        fields = ["tenant", "folder", "package", "name", "kind", "executor", "enabled"]
