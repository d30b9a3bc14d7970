"""Pages of events."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import FieldTextFilter
from unfold.paginator import InfinitePaginator

from apps.console.admin import tenants
from apps.core.admin import display
from apps.core.admin.base import SimpleListFilter
from apps.core.admin.filters import WindowFilter
from apps.core.admin.pages import Chips, OperatorAdmin
from apps.core.admin.panels import Facts, Page, Text
from apps.events.models import Event
from apps.rbac import services as rbac


class SubjectFilter(SimpleListFilter):
    """Narrows to the history of one row, by its id."""

    title = "subject"
    parameter_name = "subject"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        asked = request.GET.get(self.parameter_name, "")
        return [(asked, asked)] if asked else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        try:
            return queryset.filter(subject_id=UUID(self.value()))
        except ValueError:
            return queryset.none()


TIME = display.when("ts", "Time")


@display.column("Subject")
def subject(event: Event) -> Any:
    """Name what it happened to."""
    return f"{event.subject_kind} {display.short(event.subject_id)}"


@admin.register(Event)
class EventAdmin(OperatorAdmin):
    """Facts of the domain, as whoever listens is told them."""

    list_display = [TIME, "type", subject, tenants.column]
    list_display_links = [TIME, "type"]
    list_filter = [WindowFilter, SubjectFilter, tenants.TenantFilter, ("type", FieldTextFilter)]
    search_fields = ["type"]
    search_help_text = "Type, such as job.completed"
    ordering = ["-id"]
    sortable_by = ()
    paginator = InfinitePaginator
    empty_title = "Nothing in this time"
    empty_text = "Every fact that others follow is an event: jobs, robots, packages."
    empty_icon = "bolt"

    def visible(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = rbac.visible(Event.objects.all(), self.actor(request), "events.view_event")
        return rows

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return tenants.named(super().get_queryset(request))

    def quick_filters(self, request: HttpRequest) -> Chips:
        windows = [(name, title) for name, title, _ in WindowFilter.windows]
        return [display.chips(request, "since", windows, default=WindowFilter.default)]

    def history_address(self, request: HttpRequest, row: Any) -> str:
        """Return nothing: nobody does anything to an event."""
        return ""

    def title_of(self, row: Event) -> str:
        return row.type

    def page(self, request: HttpRequest, row: Event) -> Page:
        facts = [
            ("When", display.exactly(row.ts)),
            ("Type", row.type),
            ("Subject", f"{row.subject_kind} {row.subject_id}"),
            ("Tenant", tenants.name_of(row.tenant_id)),
            ("Folder", display.mono(row.folder_id)),
            ("Asked for by", f"{row.actor_kind} {row.actor_id}".strip() or display.NOTHING),
            ("Event", row.pk),
        ]
        return Page(main=[Text.of_json("What it says", row.data)], side=[Facts("About it", facts)])
