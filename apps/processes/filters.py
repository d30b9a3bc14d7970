"""Narrowing lists of processes and of limits."""

from __future__ import annotations

from apps.core.api.filters import ApiFilterSet, TextFilter
from apps.core.api.identifiers import IdFilter
from apps.processes.models import NamedLimit, Process


class ProcessFilters(ApiFilterSet):
    """Processes of a tenant, folder or package, by part of a name, by kind, or by whether they are enabled."""

    name = TextFilter()
    tenant = IdFilter(field_name="tenant_id")
    folder = IdFilter(field_name="folder_id")
    package = IdFilter(field_name="package_id")

    class Meta(ApiFilterSet.Meta):
        model = Process
        fields = ["tenant", "folder", "package", "name", "kind", "executor", "enabled"]


class LimitFilters(ApiFilterSet):
    """Limits of a tenant or folder, or those that a process shares, by part of a name."""

    name = TextFilter()
    tenant = IdFilter(field_name="tenant_id")
    folder = IdFilter(field_name="folder_id")
    process = IdFilter(field_name="process_limits__process_id")

    class Meta(ApiFilterSet.Meta):
        model = NamedLimit
        fields = ["tenant", "folder", "process", "name"]
