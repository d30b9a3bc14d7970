"""What people ask of a job: to stop, to be cancelled, killed, resumed, or to go sooner."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotFound
from apps.events import services as events
from apps.jobs.models import Execution, Job, JobStatus
from apps.jobs.rules.reports import End, Verdict
from apps.jobs.services import _settling, _trees, _waking
from apps.jobs.services._making import HIGHEST_PRIORITY, LOWEST_PRIORITY
from apps.rbac import services as rbac
from apps.robots import services as robots


class JobEnded(Conflict):
    """The job has ended already; nothing can be asked of it any more."""

    code = "job_ended"


@transaction.atomic
def stop_job(job: Job, *, actor: Actor, reason: str = "") -> Job:
    """Ask a running job to end by itself when it can; one that has not begun is cancelled. Raises ``JobEnded``.

    A job that is asked to stop may wait for those it has started; one that is cancelled takes them along.
    """
    rbac.require(actor, "jobs.cancel_job", job)
    execution = _lock_live(job)
    if execution is None:
        _cancel_at_once(job, "stopped")
        _trees.cancel_below(job)
    elif job.stop_requested_at is None:
        Job.objects.filter(pk=job.pk).update(stop_requested_at=Now())
        events.record("job.stop_requested", job, data=_settling.facts_of(job, execution))
        robots.call_robot(execution.robot_id)
    audit.record(actor, "job.stop_requested", job, reason=reason)
    job.refresh_from_db()
    return job


@transaction.atomic
def cancel_job(job: Job, *, actor: Actor, reason: str = "") -> Job:
    """Cancel a job: at once while it waits, otherwise by asking its robot, which kills it after its grace.

    What it has started and has not ended is cancelled with it. A success that arrives first is kept. Asking again
    changes nothing. Raises ``JobEnded``.
    """
    rbac.require(actor, "jobs.cancel_job", job)
    return _cancel(job, actor, reason)


@transaction.atomic
def cancel_child(execution: Execution, *, actor: Actor, child: Job) -> Job:
    """Let a running job cancel one that it has started, with all below it. One that has ended stays as it is."""
    rbac.require(actor, "jobs.start_children", execution)
    if child.parent_id != execution.job_id:
        raise NotFound("This job has started no such job.", code="unknown")
    child.lock()
    return child if child.is_final else _cancel(child, actor, "asked for by the job that started it")


@transaction.atomic
def kill_job(job: Job, *, actor: Actor, reason: str = "") -> Job:
    """Take a job away from its robot now: it is cancelled at once, and the robot learns on its next contact.

    What it has started is cancelled.
    """
    rbac.require(actor, "jobs.cancel_job", job)
    execution = _lock_live(job)
    if execution is None:
        _cancel_at_once(job, "killed")
    else:
        Job.objects.filter(pk=job.pk, cancel_requested_at=None).update(cancel_requested_at=Now())
        _settling.close(job, execution, End.REVOKED, reason="killed")
        robots.call_robot(execution.robot_id)
    below = _trees.cancel_below(job)
    audit.record(actor, "job.killed", job, after={"status": job.status, **_and_below(below)}, reason=reason)
    job.refresh_from_db()
    return job


@transaction.atomic
def resume_job(job: Job, *, actor: Actor, reason: str = "") -> Job:
    """Let a held job be tried again; a person has looked at what the lost try did. One more attempt is allowed."""
    rbac.require(actor, "jobs.retry_job", job)
    job.lock()
    if job.status != JobStatus.WAITING:
        raise Conflict(f"The job is {job.status}; only a waiting one can be resumed.", current=job.status)
    attempts = max(job.max_attempts, job.attempts_used + 1)
    job.move_to(JobStatus.PENDING, reason="", available_at=Now(), max_attempts=attempts)
    events.record("job.resumed", job, data=_settling.facts_of(job, None))
    audit.record(actor, "job.resumed", job, reason=reason)
    _waking.announce_work(job)
    return job


@transaction.atomic
def fail_job(job: Job, *, actor: Actor, reason: str) -> Job:
    """Settle a held job as failed: a person has looked and it shall not run again."""
    rbac.require(actor, "jobs.retry_job", job)
    job.lock()
    if job.status != JobStatus.WAITING:
        raise Conflict(f"The job is {job.status}; only a waiting one can be settled by hand.", current=job.status)
    _settling.move(job, Verdict("failed", "settled_by_hand"), execution=None, error={"message": reason})
    audit.record(actor, "job.failed_by_hand", job, reason=reason)
    job.refresh_from_db()
    return job


@transaction.atomic
def prioritise_job(job: Job, *, actor: Actor, priority: int) -> Job:
    """Move a job that has not begun forwards or backwards in line. Higher runs sooner."""
    rbac.require(actor, "jobs.prioritise_job", job)
    if not LOWEST_PRIORITY <= priority <= HIGHEST_PRIORITY:
        raise Invalid.field("priority", f"must lie between {LOWEST_PRIORITY} and {HIGHEST_PRIORITY}.")
    job.lock()
    if job.status not in (JobStatus.PENDING, JobStatus.WAITING):
        raise Conflict(f"The job is {job.status}; its place in line no longer matters.", current=job.status)
    before: dict[str, Any] = {"priority": job.priority}
    Job.objects.filter(pk=job.pk).update(priority=priority)
    job.priority = priority
    audit.record(actor, "job.prioritised", job, before=before, after={"priority": priority})
    events.record("job.prioritised", job, data={**_settling.facts_of(job, None), "priority": priority})
    return job


def _cancel(job: Job, actor: Actor, reason: str) -> Job:
    execution = _lock_live(job)
    if execution is None:
        _cancel_at_once(job, "cancelled")
    elif job.status == JobStatus.RUNNING:
        job.move_to(JobStatus.CANCELLING, cancel_requested_at=Now())
        events.record("job.cancelling", job, data=_settling.facts_of(job, execution))
        robots.call_robot(execution.robot_id)
    below = _trees.cancel_below(job)
    audit.record(actor, "job.cancelled", job, after={"status": job.status, **_and_below(below)}, reason=reason)
    job.refresh_from_db()
    return job


def _and_below(count: int) -> dict[str, int]:
    return {"children": count} if count else {}


def _lock_live(job: Job) -> Execution | None:
    """Lock an unfinished job and return its open execution, if any. Raises ``JobEnded``."""
    job.lock()
    if job.is_final:
        raise JobEnded(f"The job has {job.status} already.", current=job.status)
    return Execution.objects.open().filter(job=job).first()


def _cancel_at_once(job: Job, reason: str) -> None:
    Job.objects.filter(pk=job.pk).update(cancel_requested_at=Now())
    _settling.move(job, Verdict("cancelled", reason), execution=None)
