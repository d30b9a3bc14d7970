"""Filters of lists, whose choices tell nobody of rows they may not see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib.admin import ModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesDropdownFilter

from apps.core import ids
from apps.core.admin import choices
from apps.core.admin.base import RelatedFieldListFilter, SimpleListFilter
from apps.core.api.callers import actor_of

#: A drop-down with more entries than this is no help; the list can be searched.
MOST_CHOICES = 200


class RelatedFilter(RelatedFieldListFilter):
    """Narrows by another row, offering those the person may see."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: ModelAdmin) -> list[Any]:
        rows = choices.offered(field.related_model, actor_of(request))[:MOST_CHOICES]
        return [(str(row.pk), str(row)) for row in rows]

    def has_output(self) -> bool:
        return len(self.lookup_choices) > 1


def choice(field: str) -> tuple[str, type[Any]]:
    """Return a filter by a column with choices, as a drop-down."""
    return field, ChoicesDropdownFilter


def yes_no(field: str) -> tuple[str, type[Any]]:
    """Return a filter by a column that is true or false."""
    return field, BooleanRadioFilter


class WindowFilter(SimpleListFilter):
    """Narrows to rows made lately, by their time-ordered id, so that a list of millions opens at once."""

    title = "time"
    parameter_name = "since"
    windows: ClassVar[Sequence[tuple[str, str, timedelta | None]]] = (
        ("1h", "Last hour", timedelta(hours=1)),
        ("24h", "Last 24 hours", timedelta(hours=24)),
        ("7d", "Last 7 days", timedelta(days=7)),
        ("30d", "Last 30 days", timedelta(days=30)),
        ("all", "Any time", None),
    )
    default: ClassVar[str] = "7d"
    all_option = None

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [(name, title) for name, title, _ in self.windows]

    def value(self) -> str:
        """Return the window in use: the one asked for if there is such a one."""
        asked = super().value()
        return asked if asked in [name for name, *_ in self.windows] else self.default

    @classmethod
    def span_of(cls, request: HttpRequest) -> timedelta | None:
        """Return how far back a request looks; ``None``: as far as there is anything."""
        spans = {name: window for name, _, window in cls.windows}
        return spans.get(request.GET.get(cls.parameter_name, ""), spans[cls.default])

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        window = next(window for name, _, window in self.windows if name == self.value())
        return queryset if window is None else queryset.filter(pk__gte=ids.first_id_at(timezone.now() - window))


def lookups_of(filters: Sequence[Any]) -> set[str]:
    """Return the parameters that a list's filters read; nothing else is taken from an address."""
    fields = [one[0] if isinstance(one, tuple | list) else one for one in filters]
    suffixes = ("", "__exact", "__id__exact", "__in", "__isnull", "__icontains")
    of_fields = {field + suffix for field in fields if isinstance(field, str) for suffix in suffixes}
    return of_fields | {field.parameter_name for field in fields if hasattr(field, "parameter_name")}
