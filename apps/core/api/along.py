"""Narrowing lists of big tables: only along their indexes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import django_filters
from django.db.models import Q, QuerySet

from apps.core import ids
from apps.core.api.identifiers import IdFilter
from apps.core.api.ranges import within

#: Ids carry the clock of the process that made them, which may differ from the database's.
CLOCKS_DIFFER = timedelta(minutes=5)


class MomentRangeFilter(django_filters.IsoDateTimeFromToRangeFilter):  # type: ignore[misc]
    """Rows made between two moments, found by their time-ordered ids."""

    def filter(self, rows: QuerySet[Any], value: slice | None) -> QuerySet[Any]:
        if value is None:
            return rows
        if value.start is not None:
            rows = rows.filter(id__gte=ids.first_id_at(value.start - CLOCKS_DIFFER))
        if value.stop is not None:
            rows = rows.filter(id__lt=ids.first_id_at(value.stop + CLOCKS_DIFFER))
        narrowed: QuerySet[Any] = super().filter(rows, value)
        return narrowed


class AlongId(IdFilter):
    """An id that an index of a big table begins with."""

    def filter(self, rows: QuerySet[Any], value: UUID | None) -> QuerySet[Any]:
        return rows if value is None else rows.filter(**within(self.field_name, value))


class AlongText(django_filters.CharFilter):  # type: ignore[misc]
    """A short text that an index of a big table begins with."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 40, **kwargs})

    def filter(self, rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        return rows if not value else rows.filter(**within(self.field_name, value))


class AlongChoices(django_filters.MultipleChoiceFilter):  # type: ignore[misc]
    """Some of a few values that an index of a big table begins with."""

    def filter(self, rows: QuerySet[Any], value: list[str]) -> QuerySet[Any]:
        wanted = Q()
        for one in value:
            wanted |= Q(**within(self.field_name, one))
        return rows.filter(wanted)
