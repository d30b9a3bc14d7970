"""How tests let time come and look at what came of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from apps.jobs.models import Job, JobStatus
from apps.triggers import services
from apps.triggers.models import Firing, Trigger
from tests import make

#: Far enough ahead that nothing made by the real clock is later.
NOON = datetime(2040, 1, 2, 12, 0, tzinfo=UTC)
HOURLY = {"cron": "0 * * * *"}


def trigger_due(at: datetime = NOON, **fields) -> Trigger:
    """A trigger whose next time is ``at``; hourly where nothing else is said."""
    made = make.trigger(fields.pop("of", None), **{"configuration": HOURLY} | fields)
    Trigger.objects.filter(pk=made.pk).update(next_fire_at=at)
    made.refresh_from_db()
    return made


def look(at: datetime = NOON, limit: int = services.BATCH) -> int:
    """Let the engine look once, at a moment."""
    return services.fire_due_triggers(actor=make.SYSTEM, at=at, limit=limit)


def hour(number: float) -> datetime:
    return NOON + timedelta(hours=number)


def firings(of: Trigger) -> list[tuple[int, str, str]]:
    """Hours from noon, status and code of each firing, in order."""
    rows = Firing.objects.filter(trigger=of).order_by("due_at")
    return [(round((row.due_at - NOON).total_seconds() / 3600), row.status, row.code) for row in rows]


def jobs_of(of: Trigger) -> list[Job]:
    return list(Job.objects.filter(trigger_id=of.pk).order_by("pk"))


def end(job: Job) -> None:
    """Let a waiting job be over."""
    job.move_to(JobStatus.CANCELLED, reason="cancelled", finished_at=datetime.now(UTC))
