"""What jobs have of queues: they own items, are given them with the claim, and settle them by their end.

Everything here runs inside the caller's transaction, with the job locked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from apps.core.actors import Actor
from apps.core.errors import Invalid
from apps.jobs.models import Execution, Job, JobStatus
from apps.jobs.rules.reports import End
from apps.queues import services as queues
from apps.queues.models import holds_items

_ENDING = Actor.system("jobs")


def reserve(jobs: Sequence[Job], items: Sequence[Sequence[UUID]], *, actor: Actor) -> None:
    """Keep for each new job the items that were asked for it. Raises ``Invalid``, ``ItemsTaken``."""
    owners = {item: job.pk for job, wanted in zip(jobs, items, strict=True) for item in wanted}
    if len(owners) < sum(map(len, items)):
        raise Invalid.field("queue_item_ids", "An item is named twice.")
    if owners:
        queues.reserve_items(owners, actor=actor, tenant_id=jobs[0].tenant_id)


def settle(job: Job, execution: Execution, end: End, error: Mapping[str, Any] | None) -> None:
    """Settle what an execution that has just ended holds, by where that has brought its job."""
    if not holds_items(job.pk, execution.pk):
        return
    ended_as = end.value if end is End.LOST or not job.is_final else str(job.status)
    failure = _failure(job, error)
    queues.settle_execution(execution.pk, actor=_ENDING, end=ended_as, goes_on=not job.is_final, failure=failure)
    if job.is_final:
        queues.free_items([job.pk], actor=_ENDING)


def adopt(job: Job, execution: Execution) -> None:
    """Count as done what a job owned under an execution whose success came late, and free what else it owned."""
    if holds_items(job.pk):
        queues.adopt_items(job.pk, actor=_ENDING, execution_id=execution.pk)
        queues.free_items([job.pk], actor=_ENDING)


def free(job: Job) -> None:
    """Give everybody what waits for a job that is over before it began again."""
    if holds_items(job.pk):
        queues.free_items([job.pk], actor=_ENDING)


def free_all(jobs: Collection[UUID]) -> None:
    """Do the same for many jobs."""
    queues.free_items(jobs, actor=_ENDING)


def _failure(job: Job, error: Mapping[str, Any] | None) -> queues.Report:
    """Say how items failed with the job that owned them: as the job did."""
    told = error or {}
    is_business = job.status == JobStatus.FAILED and job.reason == "business_error"
    return queues.Report(
        "failed",
        error_type="business" if is_business else "application",
        error_code=str(job.reason)[: queues.LONGEST_CODE],
        error_reason=(str(told.get("message") or "") or "The job that owned it failed.")[: queues.LONGEST_REASON],
    )
