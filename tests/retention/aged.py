"""Rows as they are after a while."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from apps.configuration import services as configuration
from apps.core import ids
from apps.core.actors import Actor
from apps.jobs import services as jobs
from apps.jobs.models import Execution, Job
from apps.processes.models import Process
from apps.queues import services as queues
from apps.queues.models import Queue, QueueItem
from apps.triggers.models import Firing, Trigger
from tests import make
from tests.jobs.reports import finish

RETENTION = Actor.system("retention")


def days_ago(days: float) -> Any:
    return timezone.now() - timedelta(days=days)


def keep(tenant: Any = None, **days: int) -> None:
    """Set for how long kinds are kept, such as ``jobs=7``."""
    names = {"queue_items": "queue_items", "logs": "job_logs", "audit": "audit_logs"}
    values = {f"{names.get(kind, kind)}_retention_days": number for kind, number in days.items()}
    configuration.change_settings("retention", actor=make.SYSTEM, values=values, tenant=tenant)


def age(job: Job, days: float) -> Job:
    """Let a job that is over have ended so many days ago."""
    moment = days_ago(days)
    Execution.objects.filter(job=job, finished_at__isnull=False).update(finished_at=moment)
    Job.objects.filter(pk=job.pk).update(finished_at=moment)
    job.refresh_from_db()
    return job


def cancelled(days: float, of: Process | None = None, **wanted: Any) -> Job:
    """A job that was cancelled so many days ago."""
    job = make.job(of, **wanted)
    jobs.cancel_job(job, actor=make.SYSTEM)
    return age(job, days)


def completed(days: float, of: Process | None = None) -> Execution:
    """The execution of a job that ended well so many days ago."""
    execution = make.running_job(of)
    finish(execution)
    age(execution.job, days)
    return Execution.objects.get(pk=execution.pk)


def done(days: float, of: Queue | None = None) -> QueueItem:
    """An item that was done so many days ago."""
    return settled(days, of, queues.Report("done"))


def failed(days: float, of: Queue) -> QueueItem:
    """An item whose last try failed so many days ago; its queue says whether there is another."""
    return settled(days, of, queues.Report("failed", error_type="application", error_reason="no"))


def settled(days: float, of: Queue | None, report: queues.Report) -> QueueItem:
    """An item of a queue, or of one of its own, that somebody worked on and ended so many days ago."""
    queue = of or make.queue()
    item = make.item(queue)
    queues.finish_item(make.taken(queue), actor=make.SYSTEM, report=report)
    QueueItem.objects.filter(pk=item.pk).update(finished_at=days_ago(days))
    item.refresh_from_db()
    return item


def firing(days: float, of: Trigger | None = None, **fields: Any) -> Firing:
    """A time that a trigger skipped so many days ago."""
    trigger, moment = of or make.trigger(), days_ago(days)
    facts = {"status": "skipped", "code": "overlap", "reason": "One was going on."} | fields
    return Firing.objects.create(
        id=ids.first_id_at(moment),
        tenant=trigger.tenant,
        folder=trigger.folder,
        trigger=trigger,
        due_at=moment,
        decided_at=moment,
        **facts,
    )
