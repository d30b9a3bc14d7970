"""Narrowing the audit trail."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet

from apps.audit.models import SEARCHED, AuditEntry
from apps.audit.rules import ACTION_TYPES, OTHER
from apps.core.api.along import AlongId, MomentRangeFilter
from apps.core.api.filters import TEXT_LENGTH, ApiFilterSet, TextFilter
from apps.core.api.identifiers import IdFilter


class AuditFilters(ApiFilterSet):
    """Entries of a tenant, about an object, by somebody, of one kind of act, or between two moments."""

    tenant = AlongId(field_name="tenant_id")
    target = IdFilter(field_name="target_id")
    actor_name = TextFilter()
    action_type = django_filters.ChoiceFilter(
        choices=[(name, name) for name in (*ACTION_TYPES, OTHER)],
        method="of_type",
        help_text="What kind of act: told by the verb that ends its action.",
    )
    search = django_filters.CharFilter(
        max_length=TEXT_LENGTH,
        method="matching",
        help_text="Part of the action, the actor's or the target's name, or the reason. Without `ts_after` it looks "
        f"back {SEARCHED.days} days.",
    )
    ts = MomentRangeFilter(field_name="ts")

    class Meta(ApiFilterSet.Meta):
        model = AuditEntry
        fields = [
            "tenant", "action", "action_type", "actor_kind", "actor_id", "actor_name", "target", "target_kind",
            "outcome", "request_id", "search", "ts",
        ]  # fmt: skip

    def of_type(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Keep the acts of one kind."""
        found: QuerySet[Any] = rows.of_type(value)  # type: ignore[attr-defined]
        return found

    def matching(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Keep what names the text, within the time that is asked for or a bounded one."""
        entries: Any = rows
        asked = self.form.cleaned_data.get("ts")
        found: QuerySet[Any] = (entries if asked and asked.start else entries.lately()).matching(value)
        return found
