"""Filters of the list of triggers."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from apps.core.admin.base import SimpleListFilter

_STATES: dict[str, tuple[str, Q]] = {
    "on": ("On", Q(enabled=True, broken="", next_fire_at__isnull=False)),
    "off": ("Off", Q(enabled=False, broken="")),
    "broken": ("Broken", ~Q(broken="")),
    "over": ("Over", Q(enabled=True, broken="", next_fire_at=None)),
    "failing": ("Failing", Q(failures__gt=0)),
}


class StateFilter(SimpleListFilter):
    """Narrows by what a trigger does now."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, words) for name, (words, _) in _STATES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(_STATES[value][1]) if value in _STATES else queryset
