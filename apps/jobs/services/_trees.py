"""Cancelling jobs together with those that they started. Runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from apps.core import statements
from apps.events import services as events
from apps.jobs.models import Execution, Job, JobStatus
from apps.jobs.services import _items
from apps.robots import services as robots

_TREES = """
    WITH RECURSIVE tree (id) AS (
        SELECT unnest(%(jobs)s::uuid[])
        UNION
        SELECT j.id FROM tree t JOIN jobs_job j ON j.parent_id = t.id)
    SELECT id FROM tree
"""


def lock_trees(jobs: Collection[UUID]) -> dict[UUID, str]:
    """Lock jobs and all below them; returns the status of each by id.

    By id, as everywhere: that is parents before children, which are younger. A job starts others only while it is
    held, so that what is not found once all above it are locked can never come about.
    """
    locked: dict[UUID, str] = {}
    while found := {pk for (pk,) in statements.fetch(_TREES, {"jobs": statements.array(jobs)})} - locked.keys():
        rows = Job.objects.select_for_update(of=("self",)).filter(pk__in=found).order_by("pk")
        locked |= dict(rows.values_list("pk", "status"))
    return locked


def cancel_all(statuses: Mapping[UUID, str], *, data: Mapping[str, Any]) -> set[UUID]:
    """Cancel locked jobs, at once where they wait, else by asking their robots; returns those that that concerned.

    ``data`` goes into each event, beside the status.
    """
    idle = [pk for pk, status in statuses.items() if status in (JobStatus.PENDING, JobStatus.WAITING)]
    running = [pk for pk, status in statuses.items() if status == JobStatus.RUNNING]
    if idle:
        ended = {"reason": "cancelled", "finished_at": Now(), "cancel_requested_at": Now()}
        Job.objects.filter(pk__in=idle).move_all_to(JobStatus.CANCELLED, **ended)
        facts = {"status": "cancelled", "reason": "cancelled", **data}
        events.record_each("job.cancelled", Job.objects.filter(pk__in=idle), data=facts)
        _items.free_all(idle)
    if running:
        Job.objects.filter(pk__in=running).move_all_to(JobStatus.CANCELLING, cancel_requested_at=Now())
        events.record_each("job.cancelling", Job.objects.filter(pk__in=running), data={"status": "cancelling", **data})
        _call_robots_of(running)
    return {*idle, *running}


def cancel_below(job: Job) -> int:
    """Cancel all that a locked job has started, and what those have; returns how many that concerned."""
    below = lock_trees([job.pk])
    below.pop(job.pk, None)
    return len(cancel_all(below, data={"with": str(job.pk)}))


def _call_robots_of(jobs: Iterable[UUID]) -> None:
    for robot_id in set(Execution.objects.open().filter(job_id__in=jobs).values_list("robot_id", flat=True)):
        robots.call_robot(robot_id)
