"""Narrowing the audit trail."""

from __future__ import annotations

from apps.audit.models import AuditEntry
from apps.core.api.along import AlongId, MomentRangeFilter
from apps.core.api.filters import ApiFilterSet
from apps.core.api.identifiers import IdFilter


class AuditFilters(ApiFilterSet):
    """Entries of a tenant, about an object, by somebody, of one kind of act, or between two moments."""

    tenant = AlongId(field_name="tenant_id")
    target = IdFilter(field_name="target_id")
    ts = MomentRangeFilter(field_name="ts")

    class Meta(ApiFilterSet.Meta):
        model = AuditEntry
        fields = [
            "tenant", "action", "actor_kind", "actor_id", "target", "target_kind", "outcome", "request_id", "ts",
        ]  # fmt: skip
