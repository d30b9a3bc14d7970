"""Closing executions and moving their jobs: the one place where an end is turned into a job's next state.

Everything here runs inside the caller's transaction, with the job locked.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import Any

from django.db.models import Count, QuerySet
from django.db.models.functions import Now

from apps.core import statements
from apps.core.states import TransitionError
from apps.events import services as events
from apps.jobs.models import Execution, ExecutionStatus, Job, JobStatus
from apps.jobs.rules.reports import End, JobFacts, Verdict, verdict
from apps.jobs.services import _items, _waking
from apps.processes import rules as process_rules

_CLOSED_AS = {
    End.COMPLETED: ExecutionStatus.COMPLETED,
    End.FAILED: ExecutionStatus.FAILED,
    End.CANCELLED: ExecutionStatus.CANCELLED,
    End.LOST: ExecutionStatus.LOST,
    End.RELEASED: ExecutionStatus.RELEASED,
    End.REVOKED: ExecutionStatus.REVOKED,
}
_EVENT_OF = {
    JobStatus.COMPLETED: "job.completed",
    JobStatus.FAILED: "job.failed",
    JobStatus.CANCELLED: "job.cancelled",
    JobStatus.PENDING: "job.requeued",
    JobStatus.WAITING: "job.held",
}
_OPEN_STILL = "t.id = %(id)s AND t.status = 'running'"
_FINAL = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)


def close(
    job: Job,
    execution: Execution,
    end: End,
    *,
    reason: str = "",
    because: str = "",
    among: QuerySet[Execution] | None = None,
    outcome: dict[str, Any] | None = None,
    result: Any = None,
) -> bool:
    """Close an open execution and move its locked job. Returns whether it was this call that closed it.

    ``reason`` is the code by which the job's next state is decided; ``because`` is what the execution remembers where
    that is more exact. ``among`` narrows which open executions may be closed at that moment, such as those whose lease
    has run out.
    """
    if among is not None and not among.filter(pk=execution.pk).select_for_update(of=("self",)).exists():
        return False
    changes = {"status": _CLOSED_AS[end], "reason": because or reason, "finished_at": Now(), **(outcome or {})}
    if not statements.update(Execution, _OPEN_STILL, {"id": execution.pk}, changes):
        return False
    if end is End.RELEASED:
        job.attempts_used = max(0, job.attempts_used - 1)
    decided = verdict(end, reason, _facts(job, end))
    error = (outcome or {}).get("error")
    move(job, decided, execution=execution, error=error, result=result)
    _items.settle(job, execution, end, error)
    return True


def move(job: Job, decided: Verdict, *, execution: Execution | None, error: Any = None, result: Any = None) -> None:
    """Put a locked job into the state that was decided, and tell whoever follows."""
    target = JobStatus(decided.status)
    changes: dict[str, Any] = {"status": target, "reason": decided.reason, "attempts_used": job.attempts_used}
    if target in _FINAL:
        changes |= {"finished_at": Now(), "error": error, "result": result}
    elif target == JobStatus.PENDING:
        changes |= _again(job, decided, execution) | {"error": error}
    elif target == JobStatus.WAITING:
        changes |= {"error": error}
    if not statements.update(Job, _may_become(target), {"id": job.pk}, changes):
        raise TransitionError(f"{job} is {job.status}, so it cannot become {target}.", current=job.status)
    job.status, job.reason = target, decided.reason
    events.record(_EVENT_OF[target], job, data=facts_of(job, execution))
    if target == JobStatus.PENDING:
        _waking.announce_work(job)
    elif execution is None and target in _FINAL:
        _items.free(job)


@cache
def _may_become(target: JobStatus) -> str:
    sources = ", ".join(f"'{JobStatus(source).value}'" for source in Job.sources_of(target))
    return f"t.id = %(id)s AND t.status IN ({sources})"


def facts_of(job: Job, execution: Execution | None) -> dict[str, Any]:
    """Return what an event about a job carries, so that replaying events gives the row."""
    return {
        "status": job.status,
        "reason": job.reason,
        "process": str(job.process_id),
        "execution": str(execution.pk) if execution else None,
        "number": execution.number if execution else None,
    }


def _again(job: Job, decided: Verdict, execution: Execution | None) -> dict[str, Any]:
    if not decided.backs_off:
        return {"available_at": Now()}
    wait = process_rules.backoff_seconds(
        job.attempts_used, base=job.backoff_base, cap=job.backoff_cap, jitter=job.backoff_jitter
    )
    return {
        "available_at": Now() + timedelta(seconds=wait),
        "last_robot_id": execution.robot_id if execution else job.last_robot_id,
    }


def _facts(job: Job, end: End) -> JobFacts:
    losses = {"all": 0, "robots": 0}
    if end is End.LOST:
        lost = Execution.objects.filter(job=job, status=ExecutionStatus.LOST, started_at__isnull=False)
        losses = lost.aggregate(all=Count("pk"), robots=Count("robot_id", distinct=True))
    return JobFacts(
        is_cancelling=job.status == JobStatus.CANCELLING,
        stop_was_asked=job.stop_requested_at is not None,
        attempts_used=job.attempts_used,
        max_attempts=job.max_attempts,
        on_lost=job.on_lost,
        losses=losses["all"],
        robots_lost=losses["robots"],
    )


def lock_job_of(execution: Execution) -> Job:
    """Lock the execution's job, then read the execution again: what it was before the wait may be stale."""
    job = statements.find(Job, "WHERE t.id = %(id)s FOR UPDATE", {"id": execution.job_id})
    if job is None:
        raise Job.DoesNotExist
    statements.refresh(execution)
    return job
