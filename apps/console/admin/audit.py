"""Pages of the audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import FieldTextFilter
from unfold.paginator import InfinitePaginator

from apps.audit.models import AuditEntry, Outcome
from apps.console import services
from apps.console.admin import audit_numbers, tenants
from apps.core.actors import PERSON
from apps.core.admin import display
from apps.core.admin.base import SimpleListFilter
from apps.core.admin.filters import WindowFilter, choice
from apps.core.admin.pages import Chips, OperatorAdmin
from apps.core.admin.panels import Facts, Page, Table
from apps.rbac import services as rbac

TONES = {Outcome.DONE: "good", Outcome.REFUSED: "bad"}


class TargetFilter(SimpleListFilter):
    """Narrows to what was done to one row, by its id. Pages of rows lead here."""

    title = "target"
    parameter_name = "target"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        asked = request.GET.get(self.parameter_name, "")
        return [(asked, asked)] if asked else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        try:
            return queryset.filter(target_id=UUID(self.value()))
        except ValueError:
            return queryset.none()


@display.column("Time")
def time(entry: AuditEntry) -> Any:
    """Say when it was."""
    return display.moment(entry.ts)


@display.column("Who")
def actor(entry: AuditEntry) -> SafeString:
    """Name whoever did it."""
    return display.nowrap(
        entry.actor_name if entry.actor_kind == PERSON else f"{entry.actor_name} ({entry.actor_kind})"
    )


@display.column("To what")
def target(entry: AuditEntry) -> str:
    """Name the row it was done to."""
    return entry.target_in_words or display.NOTHING


@display.column("Outcome")
def outcome(entry: AuditEntry) -> SafeString:
    """Say whether it was done or refused."""
    return display.badge(entry.get_outcome_display(), TONES[Outcome(entry.outcome)])


@admin.register(AuditEntry)
class AuditEntryAdmin(OperatorAdmin):
    """Who did what to which object, from where, and what changed."""

    list_display = [time, "action", actor, target, outcome, tenants.column, "address"]
    list_display_links = [time, "action"]
    list_filter = [
        WindowFilter,
        choice("outcome"),
        TargetFilter,
        tenants.TenantFilter,
        ("actor_name", FieldTextFilter),
        ("action", FieldTextFilter),
        ("target_name", FieldTextFilter),
    ]
    search_fields = ["action", "actor_name", "target_name"]
    search_help_text = "Action, person or target"
    ordering = ["-id"]
    sortable_by = ()
    paginator = InfinitePaginator
    empty_title = "Nothing in this time"
    empty_text = "Whatever a person or program changes or reveals is written down here, and so is what was refused."
    empty_icon = "policy"

    def visible(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = rbac.visible(AuditEntry.objects.all(), self.actor(request), "audit.view_auditentry")
        return rows

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return tenants.named(super().get_queryset(request))

    def quick_filters(self, request: HttpRequest) -> Chips:
        windows = [(name, title) for name, title, _ in WindowFilter.windows]
        outcomes = [("", "All"), *((one.value, str(one.label)) for one in Outcome)]
        return [
            display.chips(request, "outcome__exact", outcomes),
            display.chips(request, "since", windows, default=WindowFilter.default),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list, with the ways to take it along as it is narrowed, and to its numbers."""
        acts = [("Numbers…", reverse("admin:audit_auditentry_statistics"))]
        if self.admin_site.holds(request, services.EXPORT):
            query = request.GET.urlencode()
            acts += [
                (title, f"{reverse('admin:audit_auditentry_export', args=[form])}?{query}")
                for title, form in (("Export CSV", "csv"), ("Export JSON", "jsonl"))
            ]
        return super().changelist_view(request, {**(extra_context or {}), "list_acts": acts})

    def own_urls(self) -> list[URLPattern]:
        return [
            self.url("export/<str:form>/", "export", self.export_view),
            self.url("statistics/", "statistics", self.statistics_view),
        ]

    def export_view(self, request: HttpRequest, form: str) -> HttpResponseBase:
        """Send what the list is narrowed to as a file, however long it is."""
        if form not in services.FORMATS or not self.has_view_permission(request):
            raise Http404
        shown, window = self.get_changelist_instance(request), WindowFilter.span_of(request)
        rows = services.note_export(shown.queryset, actor=self.actor(request), form=form, asked=request.GET.dict())
        among = rbac.visible(AuditEntry.objects.all(), self.actor(request), services.EXPORT)
        among = among.between(timezone.now() - window if window else None, None)
        media_type, name = services.file_facts(form)
        return StreamingHttpResponse(
            services.lines(rows, form, of=among),
            content_type=media_type,
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    def statistics_view(self, request: HttpRequest) -> HttpResponse:
        """Show how much was done: by kind of act, by whom and on which day."""
        if not self.has_view_permission(request):
            raise Http404
        return audit_numbers.page(self, request, self.visible(request))

    def history_address(self, request: HttpRequest, row: Any) -> str:
        """Return nothing: these pages are the history."""
        return ""

    def _target(self, request: HttpRequest, entry: AuditEntry) -> SafeString | str:
        """Lead to the page of the row it was done to, while that exists and may be opened."""
        models = {model._meta.model_name: model for model in self.admin_site._registry}
        model: Any = models.get(entry.target_kind)
        rows = model._default_manager.filter(pk=entry.target_id) if model is not None and entry.target_id else None
        row = rows.first() if rows is not None and hasattr(rows, "visible_to") else None
        return self.links(request)(row, target(entry)) if row is not None else target(entry)

    def title_of(self, row: AuditEntry) -> str:
        return row.action

    def page(self, request: HttpRequest, row: AuditEntry) -> Page:
        changes = [[name, _text(before), _text(after)] for name, before, after in _differences(row.before, row.after)]
        where = [
            ("Address", row.address or display.NOTHING),
            ("Program", row.agent or display.NOTHING),
            ("Request", display.mono(row.request_id)),
            ("Tenant", tenants.name_of(row.tenant_id) or "the whole installation"),
            ("Permission asked", row.permission or display.NOTHING),
            ("On behalf of", row.on_behalf_of or display.NOTHING),
            ("Entry", row.pk),
        ]
        what = [
            ("When", display.exactly(row.ts)),
            ("Who", actor(row)),
            ("Did", row.action),
            ("To", self._target(request, row)),
            ("Target id", display.mono(row.target_id)),
            ("Reason", row.reason or display.NOTHING),
        ]
        return Page(
            badges=[outcome(row)],
            main=[
                Facts("What happened", what, icon="policy"),
                Table(
                    "What changed",
                    ["What", "Before", "After"],
                    changes,
                    "Nothing that can be compared.",
                    icon="difference",
                ),
            ],
            side=[Facts("From where", where, icon="lan")],
        )


def _differences(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[tuple[str, Any, Any]]:
    """Return each name whose value differs, with both values; what is only on one side differs from ``None``."""
    old, new = before or {}, after or {}
    return [(name, old.get(name), new.get(name)) for name in {**old, **new} if old.get(name) != new.get(name)]


def _text(value: Any) -> SafeString | str:
    if value is None:
        return display.NOTHING
    return display.mono(value if isinstance(value, str) and value else display.as_json(value))
