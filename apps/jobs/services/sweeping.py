"""What time brings about: leases that ran out, deadlines that passed. Each job is a transaction of its own."""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now

from apps.core.actors import Actor
from apps.events import services as events
from apps.jobs.models import Execution, ExecutionStatus, Job, JobToken, Plane
from apps.jobs.rules.reports import End, Verdict
from apps.jobs.services import _settling
from apps.rbac import services as rbac


@transaction.atomic
def sweep_execution(execution: Execution, *, actor: Actor) -> bool:
    """Close an execution if its lease has run out at this very moment; says whether it was this call.

    Two at once close it only once: the closing UPDATE itself says "open and overdue".
    """
    rbac.require(actor, "jobs.sweep_execution", execution)
    job = Job.objects.select_for_update(of=("self",), skip_locked=True).filter(pk=execution.job_id).first()
    if job is None:
        return False  # somebody is at it this moment; the next sweep looks again
    execution.refresh_from_db()
    reason = _why_overdue(execution)
    closed = _settling.close(job, execution, End.LOST, reason=reason, among=Execution.objects.overdue())
    if closed:
        events.record("execution.lost", execution, data={"reason": reason})
    return closed


@transaction.atomic
def expire_job(job: Job, *, actor: Actor) -> bool:
    """Fail a pending job whose deadline to start has passed; says whether it was this call."""
    rbac.require(actor, "jobs.sweep_execution", job)
    pending = Job.objects.past_start_deadline().select_for_update(of=("self",), skip_locked=True)
    locked = pending.filter(pk=job.pk).first()
    if locked is None:
        return False
    error = {"message": "No robot started it before its deadline. Its page shows under Why? what was missing."}
    _settling.move(locked, Verdict("failed", "expired"), execution=None, error=error)
    events.record("job.expired", locked)
    return True


@transaction.atomic
def note_sweep(plane: Plane, *, actor: Actor) -> None:
    """Remember when the last sweep ended, which health and metrics show."""
    rbac.require(actor, "jobs.sweep_execution", plane)
    Plane.objects.filter(pk=plane.pk).update(swept_at=Now())


@transaction.atomic
def forget_ended_tokens(*, actor: Actor, limit: int = 10_000) -> int:
    """Delete up to ``limit`` credentials of executions that have ended, which nothing accepts; returns how many."""
    rbac.require(actor, "jobs.sweep_execution", rbac.EVERYWHERE)
    ended = JobToken.objects.exclude(execution__status=ExecutionStatus.RUNNING).order_by()
    deleted, _ = JobToken.objects.filter(pk__in=ended.values("pk")[:limit]).delete()
    return deleted


def _why_overdue(execution: Execution) -> str:
    out_of_time = Execution.objects.filter(pk=execution.pk, timeout_at__lte=Now())
    if execution.kill_asked_at or out_of_time.exists():
        return "timeout"
    return "lost" if execution.started_at else "not_started"
