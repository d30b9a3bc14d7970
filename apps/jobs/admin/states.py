"""What states look like."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.admin import display
from apps.jobs.models import BulkStatus, Execution, ExecutionStatus, Job, JobStatus

JOBS: dict[str, str] = {
    JobStatus.PENDING: "calm",
    JobStatus.WAITING: "care",
    JobStatus.RUNNING: "busy",
    JobStatus.CANCELLING: "care",
    JobStatus.COMPLETED: "good",
    JobStatus.FAILED: "bad",
    JobStatus.CANCELLED: "calm",
}
EXECUTIONS: dict[str, str] = {
    ExecutionStatus.RUNNING: "busy",
    ExecutionStatus.COMPLETED: "good",
    ExecutionStatus.ADOPTED: "good",
    ExecutionStatus.FAILED: "bad",
    ExecutionStatus.LOST: "bad",
    ExecutionStatus.CANCELLED: "calm",
    ExecutionStatus.RELEASED: "calm",
    ExecutionStatus.REVOKED: "care",
}
BULK: dict[str, str] = {
    BulkStatus.PENDING: "calm",
    BulkStatus.RUNNING: "busy",
    BulkStatus.COMPLETED: "good",
    BulkStatus.FAILED: "bad",
}


def job_badge(job: Job) -> SafeString:
    """Return a job's status; why it is so is said beside it."""
    return display.badge(job.get_status_display(), JOBS[JobStatus(job.status)])


def execution_badge(execution: Execution) -> SafeString:
    """Return an execution's status."""
    return display.badge(execution.get_status_display(), EXECUTIONS[ExecutionStatus(execution.status)])


@display.column("Status")
def job_status(job: Job) -> SafeString:
    """Show a job's status with the reason it has, if any."""
    return with_reason(job_badge(job), job.reason)


@display.column("Status")
def execution_status(execution: Execution) -> SafeString:
    """Show an execution's status with the reason it has, if any."""
    return with_reason(execution_badge(execution), execution.reason)


def with_reason(badge: SafeString, reason: str) -> SafeString:
    """Return a badge and the reason code behind it in words."""
    return format_html('{} <span class="op-faint">{}</span>', badge, reason.replace("_", " ")) if reason else badge


@display.column("Took")
def took(row: Any) -> str:
    """Say how long a job or execution ran."""
    if row.started_at is None:
        return display.NOTHING
    if row.finished_at is not None:
        return display.nowrap(display.length(row.finished_at - row.started_at))
    if row.status in (JobStatus.RUNNING, JobStatus.CANCELLING):
        return display.nowrap(f"{display.length(timezone.now() - row.started_at)} so far")
    return display.NOTHING
