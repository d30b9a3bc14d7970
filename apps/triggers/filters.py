"""Narrowing lists of triggers, firings and calendars."""

from __future__ import annotations

import django_filters
from django.db.models import QuerySet

from apps.core.api.filters import ApiFilterSet, TextFilter
from apps.core.api.identifiers import IdFilter
from apps.triggers.models import Calendar, Firing, FiringStatus, Trigger, TriggerKind


class TriggerFilters(ApiFilterSet):
    """Triggers of a tenant or folder, by part of a name, by kind and state, and by what they are about."""

    name = TextFilter()
    tenant = IdFilter(field_name="tenant_id")
    folder = IdFilter(field_name="folder_id")
    process = IdFilter(field_name="process_id")
    queue = IdFilter(field_name="queue_id")
    calendar = IdFilter(field_name="calendar_id")
    kind = django_filters.ChoiceFilter(choices=TriggerKind.choices)
    broken = django_filters.BooleanFilter(method="resting", label="Rests until somebody changes it")

    class Meta(ApiFilterSet.Meta):
        model = Trigger
        fields = ["tenant", "folder", "name", "kind", "enabled", "broken", "process", "queue", "calendar"]

    def resting(self, triggers: QuerySet[Trigger], name: str, broken: bool) -> QuerySet[Trigger]:
        return triggers.exclude(broken="") if broken else triggers.filter(broken="")


class FiringFilters(ApiFilterSet):
    """Firings by what came of them."""

    status = django_filters.ChoiceFilter(choices=FiringStatus.choices)
    code = django_filters.CharFilter(max_length=32)

    class Meta(ApiFilterSet.Meta):
        model = Firing
        fields = ["status", "code"]


class CalendarFilters(ApiFilterSet):
    """Calendars of a tenant or folder, by part of a name."""

    name = TextFilter()
    tenant = IdFilter(field_name="tenant_id")
    folder = IdFilter(field_name="folder_id")

    class Meta(ApiFilterSet.Meta):
        model = Calendar
        fields = ["tenant", "folder", "name"]
