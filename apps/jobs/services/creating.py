"""Making jobs: one, many, and again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotFound
from apps.jobs.models import Job
from apps.jobs.services import _items, _making
from apps.jobs.services._making import HIGHEST_PRIORITY, LOWEST_PRIORITY, Wanted
from apps.processes.models import Process
from apps.rbac import services as rbac

__all__ = ["HIGHEST_PRIORITY", "LOWEST_PRIORITY", "create_job", "create_jobs", "retry_job"]

MOST_AT_ONCE = 1000


@transaction.atomic
def create_job(
    process: Process,
    *,
    actor: Actor,
    wanted: Wanted,
    source: str = "api",
    retry_of: Job | None = None,
) -> Job:
    """Ask for a process to run once.

    Raises ``Invalid`` naming each wrong parameter, ``DuplicateJob``, ``ItemsTaken``, ``ProcessDisabled``,
    ``NothingToRun``.
    """
    rbac.require(actor, "processes.run_process", process)
    job = _making.prepare(process, [wanted], actor=actor, source=source)[0]
    job.retry_of = retry_of
    _making.insert([job])
    _items.reserve([job], [wanted.queue_items], actor=actor)
    audit.record(actor, "job.created", job, after=_asked(job) | _and_items(wanted))
    _making.tell([job])
    return job


@transaction.atomic
def create_jobs(process: Process, *, actor: Actor, wanted: Sequence[Wanted], source: str = "api") -> list[Job]:
    """Ask for many runs at once, all or none; at most 1,000. Raises as ``create_job``, naming the row."""
    rbac.require(actor, "processes.run_process", process)
    if not 0 < len(wanted) <= MOST_AT_ONCE:
        raise Invalid.field("jobs", f"name between 1 and {MOST_AT_ONCE} jobs.")
    jobs = _making.prepare(process, wanted, actor=actor, source=source, are_numbered=True)
    _making.insert(jobs)
    _items.reserve(jobs, [one.queue_items for one in wanted], actor=actor)
    audit.record(actor, "jobs.created", process, after={"count": len(jobs), "first": str(jobs[0].pk)})
    _making.tell(jobs)
    return jobs


@transaction.atomic
def retry_job(job: Job, *, actor: Actor) -> Job:
    """Run a finished job again as a new one with the same parameters, linked to it. Raises as ``create_job``."""
    rbac.require(actor, "jobs.retry_job", job)
    if not job.is_final:
        raise Conflict(f"The job is {job.status}; only one that has ended can be retried.", current=job.status)
    # Held, so that retention does not take it away in this moment.
    if not Job.objects.select_for_update(no_key=True).filter(pk=job.pk).values_list("pk", flat=True):
        raise NotFound("There is no such job any more: it was kept no longer.")
    again = _making.prepare(job.process, [Wanted.again(job)], actor=actor, source="retry")[0]
    again.retry_of = job
    _making.insert([again])
    audit.record(actor, "job.retried", job, after={"job": str(again.pk)})
    _making.tell([again])
    return again


def _asked(job: Job) -> dict[str, Any]:
    return {"process": str(job.process_id), "priority": job.priority, "source": job.source}


def _and_items(wanted: Wanted) -> dict[str, Any]:
    return {"queue_items": [str(item) for item in wanted.queue_items]} if wanted.queue_items else {}
