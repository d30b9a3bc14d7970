"""Pages of executions: the tries at jobs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.paginator import InfinitePaginator

from apps.core.admin import display
from apps.core.admin.filters import RelatedFilter, WindowFilter, choice
from apps.core.admin.pages import Chips, OperatorAdmin
from apps.core.admin.panels import AnyPanel, Facts, Page
from apps.jobs.admin import artefacts, job_pages, log_pages, states, traces
from apps.jobs.models import Artefact, Execution, ExecutionStatus, Job


@display.column("Try")
def named(execution: Execution) -> SafeString:
    """Name the process and the number of the try."""
    name, number = execution.process.name, execution.number
    return format_html('{} <span class="op-faint op-nowrap">try {}</span>', name, number)


@display.column("Job")
def job(execution: Any) -> SafeString | str:
    """Lead to the job, under the part of its id that other pages show."""
    may_open = getattr(execution, "may_open_job", True)
    return display.link(execution.job, display.short(execution.job_id), may_open=may_open)


@display.column("Exit code")
def exit_code(execution: Execution) -> str:
    """Say how its process ended."""
    return display.NOTHING if execution.exit_code is None else str(execution.exit_code)


LIVE = (display.refreshing(states.execution_status), display.refreshing(states.took), display.refreshing(exit_code))


@admin.register(Execution)
class ExecutionAdmin(OperatorAdmin):
    """Tries at jobs, each on one robot. What can be done is done to the job."""

    list_display = [
        named,
        job,
        LIVE[0],
        display.linked("robot", "Robot"),
        display.when("granted_at", "Granted"),
        *LIVE[1:],
        display.linked("tenant", "Tenant"),
    ]
    list_filter = [
        WindowFilter,
        choice("status"),
        ("tenant", RelatedFilter),
        ("folder", RelatedFilter),
        ("process", RelatedFilter),
        ("robot", RelatedFilter),
    ]
    list_select_related = ["process", "robot", "job", "tenant", "folder"]
    linked_rows = ["robot", "job", "tenant"]
    search_fields = ["process__name", "robot__name"]
    ordering = ["-id"]
    sortable_by = ()
    paginator = InfinitePaginator
    view_permission = "jobs.view_job"
    live_columns = LIVE
    empty_title = "No executions in this time"
    empty_text = "Each try at a job on a robot is one. Older ones show under a longer time."
    empty_icon = "history"
    row_template = "jobs/job.html"

    def visible(self, request: HttpRequest) -> QuerySet[Any]:
        """Whoever may see a job may see its tries."""
        actor = self.actor(request)
        seen = Q(pk__in=Execution.objects.visible_to(actor).values("pk")) | Q(job__in=Job.objects.visible_to(actor))
        return Execution.objects.all() if request.user.is_superuser else Execution.objects.filter(seen)

    def quick_filters(self, request: HttpRequest) -> Chips:
        statuses = [("", "All"), *((one.value, one.label) for one in ExecutionStatus)]
        windows = [(name, title) for name, title, _ in WindowFilter.windows]
        return [
            display.chips(request, "status__exact", statuses),
            display.chips(request, "since", windows, default=WindowFilter.default),
        ]

    def title_of(self, row: Execution) -> str:
        return f"Try {row.number} of {row.process.name}"

    def may_change(self, row: Execution) -> bool:
        return row.status == ExecutionStatus.RUNNING

    def is_live(self, row: Execution) -> bool:
        return row.status == ExecutionStatus.RUNNING

    def page(self, request: HttpRequest, row: Execution) -> Page:
        link = self.links(request)
        main: list[AnyPanel] = []
        if row.error:
            main.append(job_pages.error_panel(row.error))
        usage = job_pages.usage_of(row)
        facts: list[tuple[str, Any]] = [
            ("Job", link(row.job, display.short(row.job_id))),
            ("Process", link(row.process)),
            ("Robot", link(row.robot)),
            ("Folder", link(row.folder)),
            ("Tenant", link(row.tenant)),
            ("Outcome told by the robot", row.outcome or display.NOTHING),
            ("Exit code", row.exit_code),
            ("Progress", job_pages.progress_of(row) or display.NOTHING),
            ("Used", usage or display.NOTHING),
            ("Id", row.pk),
        ]
        main.append(Facts("About it", facts))
        main += artefacts.panels(Artefact.objects.filter(execution=row))
        return Page(
            badges=[states.with_reason(states.execution_badge(row), row.reason)],
            main=main,
            side=[_times(row)],
        )

    def page_context(self, request: HttpRequest, row: Execution, page: Page) -> dict[str, Any]:
        log = log_pages.viewer(self.address(row, "log"), row)
        return {**super().page_context(request, row, page), "log": log, "trace": traces.viewer(row)}

    def own_urls(self) -> list[URLPattern]:
        return [
            self.url("<uuid:object_id>/log/", "log", self.log_view),
            self.url("<uuid:object_id>/log/download/", "log_download", self.download_view),
            self.url("<uuid:object_id>/trace/", "trace", self.trace_view),
            self.url("<uuid:object_id>/trace/<uuid:step>/", "step", self.step_view),
        ]

    def log_view(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        """Answer a piece of its log."""
        row = self.row_or_404(request, object_id)
        return log_pages.fragment(request, row, actor=self.actor(request), is_job_over=True)

    def trace_view(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        """Answer a piece of its trace."""
        return traces.fragment(request, self.row_or_404(request, object_id))

    def step_view(self, request: HttpRequest, object_id: UUID, step: UUID) -> HttpResponse:
        """Answer the facts of one step of its trace."""
        return traces.step_fragment(request, self.row_or_404(request, object_id), step)

    def download_view(self, request: HttpRequest, object_id: UUID) -> HttpResponseBase:
        """Answer its whole log as text."""
        execution = self.row_or_404(request, object_id)
        return log_pages.download(execution, f"{execution.process.name}-{execution.job_id}-{execution.number}")


def _times(execution: Execution) -> Facts:
    rows: list[tuple[str, Any]] = [
        ("Granted", display.moment(execution.granted_at)),
        ("Started", display.moment(execution.started_at)),
        ("Ended", display.moment(execution.finished_at)),
        ("Took", states.took(execution)),
    ]
    if execution.status == ExecutionStatus.RUNNING:
        rows.append(("Lease until", display.moment(execution.expires_at)))
        rows.append(("Killed at", display.moment(execution.timeout_at)))
    return Facts("When", rows, icon="schedule")
