"""Pages of jobs."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.paginator import InfinitePaginator

from apps.accounts.admin import sharing
from apps.core.admin import display
from apps.core.admin.filters import RelatedFilter, WindowFilter, choice
from apps.core.admin.forms import ReasonForm
from apps.core.admin.operations import Operation
from apps.core.admin.pages import Chips, OperatorAdmin
from apps.core.admin.panels import Page
from apps.jobs import services
from apps.jobs.admin import job_pages, log_pages, running, states, traces
from apps.jobs.admin.job_forms import PriorityForm, SettleForm
from apps.jobs.models import Execution, Job, JobStatus

_UNTIL_BEGUN = (JobStatus.PENDING, JobStatus.WAITING)
_ON_ROBOT = (JobStatus.RUNNING, JobStatus.CANCELLING)
_HELD = (
    "It waits for a person: its last try was lost, and what that did outside is unknown. Look there first; "
    "then resume it, or settle it as failed."
)
_WITH_CHILDREN = "Unfinished jobs that it has started are cancelled with it."

OPERATIONS = (
    Operation(
        name="stop",
        title="Stop",
        permission="jobs.cancel_job",
        service=services.stop_job,
        explain="Asks the automation to end by itself when it can. It may take its time, and decides how it ends.",
        form=ReasonForm,
        icon="stop_circle",
        done="It is asked to stop.",
        applies=lambda job: job.status == JobStatus.RUNNING and job.stop_requested_at is None,
        is_main=True,
    ),
    Operation(
        name="cancel",
        title="Cancel",
        permission="jobs.cancel_job",
        service=services.cancel_job,
        explain=lambda job: (
            f"Its robot hears of it on its next contact and kills it {job.kill_grace} s later. "
            f"A success that comes first is kept. {_WITH_CHILDREN}"
            if job.status == JobStatus.RUNNING
            else f"It has not begun, so it is cancelled at once. {_WITH_CHILDREN}"
        ),
        form=ReasonForm,
        icon="cancel",
        tone="danger",
        button="Cancel the job",
        done="The job is cancelled, or will be as soon as its robot has heard of it.",
        applies=lambda job: job.status in (*_UNTIL_BEGUN, JobStatus.RUNNING),
        is_bulk=True,
        is_main=True,
    ),
    Operation(
        name="kill",
        title="Kill",
        permission="jobs.cancel_job",
        service=services.kill_job,
        explain="Takes it away from its robot now, without waiting. What it was doing outside may be left half done. "
        + _WITH_CHILDREN,
        form=ReasonForm,
        icon="dangerous",
        tone="danger",
        button="Kill the job",
        done="The job is killed.",
        applies=lambda job: job.status in _ON_ROBOT,
        is_bulk=True,
    ),
    Operation(
        name="retry",
        title="Retry",
        permission="jobs.retry_job",
        service=services.retry_job,
        explain="Makes a new job with the same parameters, linked to this one.",
        icon="replay",
        done="The new job is in line.",
        applies=lambda job: job.is_final,
        then=lambda job, again: again,
        is_bulk=True,
        is_main=True,
    ),
    Operation(
        name="again",
        title="Run again…",
        permission="processes.run_process",
        service=running.run_again,
        explain="Makes a new job; its parameters begin as they were here.",
        form=running.RunAgainForm,
        icon="edit_note",
        button="Run",
        done="The new job is in line.",
        then=lambda job, again: again,
        is_main=True,
    ),
    Operation(
        name="prioritise",
        title="Change priority",
        permission="jobs.prioritise_job",
        service=services.prioritise_job,
        explain="Moves it forwards or backwards in line.",
        form=PriorityForm,
        initial=lambda job: {"priority": job.priority},
        icon="low_priority",
        done="The priority is changed.",
        applies=lambda job: job.status in _UNTIL_BEGUN,
        is_bulk=True,
    ),
    Operation(
        name="resume",
        title="Resume",
        permission="jobs.retry_job",
        service=services.resume_job,
        explain="Its last try was lost, and what that did outside is unknown. Look first; then it is tried once more.",
        form=ReasonForm,
        icon="play_arrow",
        tone="main",
        done="The job is in line again.",
        applies=lambda job: job.status == JobStatus.WAITING,
        is_main=True,
    ),
    Operation(
        name="settle",
        title="Settle as failed",
        permission="jobs.retry_job",
        service=services.fail_job,
        explain="Ends it for good: somebody has looked, and it shall not run again.",
        form=SettleForm,
        icon="task_alt",
        done="The job is settled.",
        applies=lambda job: job.status == JobStatus.WAITING,
        is_main=True,
    ),
    *sharing.OPERATIONS,
)


@display.column("Job")
def named(job: Job) -> SafeString:
    """Name the process, and enough of the id to tell jobs apart."""
    return format_html(
        '<span title="{}">{} <span class="op-faint op-nowrap">{}</span></span>',
        job.pk,
        job.process.name,
        display.short(job.pk),
    )


@display.column("Robot")
def robot(job: Any) -> SafeString | str:
    """Name the robot of the newest try."""
    return display.nowrap(job.robot_name) if job.robot_name else display.NOTHING


@display.column("Tries")
def tries(job: Job) -> SafeString:
    """Say how many tries are used up."""
    return display.nowrap(f"{job.attempts_used} of {job.max_attempts}")


@display.column("Started")
def started(job: Job) -> SafeString | str:
    """Say when its first try began."""
    return display.moment(job.started_at)


LIVE = tuple(display.refreshing(one) for one in (states.job_status, robot, tries, started, states.took))


@admin.register(Job)
class JobAdmin(OperatorAdmin):
    """Requests to run a process once."""

    list_display = [
        named,
        *LIVE[:2],
        "priority",
        LIVE[2],
        display.when("created_at", "Made"),
        *LIVE[3:],
        display.linked("folder", "Folder"),
        display.linked("tenant", "Tenant"),
    ]
    list_filter = [
        WindowFilter,
        choice("status"),
        ("tenant", RelatedFilter),
        ("folder", RelatedFilter),
        ("process", RelatedFilter),
        choice("kind"),
    ]
    list_select_related = ["process", "folder", "tenant"]
    linked_rows = ["folder", "tenant"]
    search_fields = ["process__name"]
    search_help_text = "Process name, or a job's id"
    ordering = ["-id"]
    sortable_by = ()
    paginator = InfinitePaginator
    empty_title = "No jobs in this time"
    empty_text = "Jobs come from “Run now” on a process, and from the API. Older ones show under a longer time."
    empty_icon = "play_circle"
    operations = OPERATIONS
    live_columns = LIVE
    row_template = "jobs/job.html"
    shown_statuses: ClassVar[tuple[JobStatus, ...]] = tuple(JobStatus)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        newest = Execution.objects.filter(job=OuterRef("pk")).order_by("-number")
        robots = Subquery(newest.values("robot__name")[:1])
        rows: QuerySet[Any] = super().get_queryset(request).annotate(robot_name=robots)
        return rows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find a job by its id, whole; anything else is part of a process's name."""
        try:
            return queryset.filter(pk=UUID(search_term.strip())), False
        except ValueError:
            return super().get_search_results(request, queryset, search_term)

    def quick_filters(self, request: HttpRequest) -> Chips:
        statuses = [("", "All"), *((one.value, one.label) for one in self.shown_statuses)]
        windows = [(name, title) for name, title, _ in WindowFilter.windows]
        return [
            display.chips(request, "status__exact", statuses),
            display.chips(request, "since", windows, default=WindowFilter.default),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        address = f"{reverse('admin:jobs_bulkchange_add')}?{request.GET.urlencode()}"
        may = any(self.admin_site.holds(request, f"jobs.{verb}_job") for verb in ("cancel", "retry", "prioritise"))
        return super().changelist_view(request, {**(extra_context or {}), "bulk_address": address if may else ""})

    def title_of(self, row: Job) -> str:
        return f"{row.process.name} {display.short(row.pk)}"

    def may_change(self, row: Job) -> bool:
        return not row.is_final

    def is_live(self, row: Job) -> bool:
        return not row.is_final

    def page(self, request: HttpRequest, row: Job) -> Page:
        actor, link = self.actor(request), self.links(request)
        executions = list(Execution.objects.filter(job=row).select_related("robot").order_by("-number"))
        return Page(
            badges=[states.with_reason(states.job_badge(row), row.reason)],
            lead=_lead(row, executions),
            notices=[_HELD] if row.status == JobStatus.WAITING else [],
            main=job_pages.main_panels(row, executions, actor, link),
            side=[*job_pages.side_panels(row, link), *sharing.panels(row, actor)],
        )

    def page_context(self, request: HttpRequest, row: Job, page: Page) -> dict[str, Any]:
        newest = Execution.objects.filter(job=row).order_by("-number").first()
        log = log_pages.viewer(self.address(row, "log"), newest)
        return {**super().page_context(request, row, page), "log": log, "trace": traces.viewer(newest)}

    def own_urls(self) -> list[URLPattern]:
        return [self.url("<uuid:object_id>/log/", "log", self.log_view)]

    def log_view(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        """Answer a piece of the log of a job's newest try."""
        job = self.row_or_404(request, object_id)
        newest = Execution.objects.filter(job=job).order_by("-number").first()
        return log_pages.fragment(request, newest, actor=self.actor(request), is_job_over=job.is_final)


def _lead(job: Job, executions: list[Execution]) -> str:
    if job.status in _ON_ROBOT and executions:
        told = job_pages.progress_of(executions[0])
        return f"On {executions[0].robot.name}" + (f": {told}" if told else "")
    return ""
