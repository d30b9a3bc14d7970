"""Filters of the list of items: each along an index, or within the time that the list shows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from apps.core.admin.base import SimpleListFilter, TextFilter
from apps.core.admin.filters import WindowFilter
from apps.core.api.callers import actor_of


class ItemWindowFilter(WindowFilter):
    """Narrows to items that came lately. Whoever names one item means it whatever its age."""

    def __init__(self, request: HttpRequest, *args: Any) -> None:
        self.default = default_window(request)  # type: ignore[misc]
        super().__init__(request, *args)


def default_window(request: HttpRequest) -> str:
    """Return the time that the list shows where nobody has chosen one."""
    names_one = any(request.GET.get(name) for name in ("q", "reference", "job"))
    return "all" if names_one else WindowFilter.default


class ReferenceFilter(TextFilter):
    """Narrows to one reference, named as a whole."""

    title = "reference"
    parameter_name = "reference"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        items: Any = queryset
        return items.referenced(value.strip(), actor_of(request)) if value else queryset


class LateFilter(SimpleListFilter):
    """Narrows to what is unfinished after the time that its queue promises. Pages of queues lead here."""

    title = "late"
    parameter_name = "late"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Unfinished after its queue's SLA")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        items: Any = queryset
        return items.late() if self.value() == "yes" else queryset


class PriorityFilter(TextFilter):
    """Narrows to one priority."""

    title = "priority"
    parameter_name = "priority"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        digits = value.strip().removeprefix("-")
        is_number = digits.isascii() and digits.isdecimal() and len(digits) < 5
        return queryset.filter(priority=int(value)) if is_number else queryset.none()


class TagFilter(TextFilter):
    """Narrows to items with a tag."""

    title = "tag"
    parameter_name = "tag"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(tags__contains=[value.strip()]) if value else queryset


class JobFilter(SimpleListFilter):
    """Narrows to what a job owns or has worked on, by its id. Pages of jobs lead here."""

    title = "job"
    parameter_name = "job"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        asked = request.GET.get(self.parameter_name, "")
        return [(asked, asked)] if asked else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        try:
            job = UUID(value)
        except ValueError:
            return queryset.none()
        return queryset.filter(Q(reserved_for=job) | Q(job_id=job))
