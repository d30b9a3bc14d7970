"""What a robot says about its leases, and time that passes, for the tests of jobs."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from apps.events.models import Event
from apps.jobs import services
from apps.jobs.models import Execution, Job, LateResult
from apps.jobs.rules.reports import End
from apps.jobs.services import Decision, Report
from tests import make


def report(of: Execution, outcome: End = End.COMPLETED, **facts: Any) -> Report:
    """How a robot tells the end of an execution; the digest follows from what it tells."""
    told = {"outcome": outcome.value, "result": facts.get("result"), "error": facts.get("error")}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    return Report(**{"job_id": of.job_id, "number": of.number, "outcome": outcome, "digest": digest} | facts)


def finish(of: Execution, outcome: End = End.COMPLETED, **facts: Any) -> Decision:
    """Let the robot that holds an execution report its end."""
    told = report(of, outcome, **facts)
    return services.finish_execution(of.robot, actor=make.acting(of.robot), lease_id=of.lease_id, report=told)


def fail(of: Execution, code: str = "application_error") -> Decision:
    """Let the robot report a failure."""
    return finish(of, End.FAILED, error={"type": "E", "message": "no", "traceback": "", "code": code})


def run_out(execution: Execution) -> None:
    """Let the lease of an execution have run out a second ago."""
    Execution.objects.filter(pk=execution.pk).update(expires_at=Now() - timedelta(seconds=1))


def lose(execution: Execution) -> Execution:
    """Let a lease run out and be swept."""
    run_out(execution)
    assert services.sweep_execution(execution, actor=make.SYSTEM)
    execution.refresh_from_db()
    return execution


def due(job: Job) -> Job:
    """Let a job that backs off be due now."""
    Job.objects.filter(pk=job.pk).update(available_at=Now() - timedelta(seconds=1))
    job.refresh_from_db()
    return job


def job_of(execution: Execution) -> Job:
    """The execution's job as it is now."""
    return Job.objects.get(pk=execution.job_id)


def told(row: Any) -> list[str]:
    """The types of the events about a row, as they happened."""
    return list(Event.objects.about(row).reverse().values_list("type", flat=True))


def kept(of: Execution) -> list[str]:
    """The kinds of late results kept of a lease."""
    return list(LateResult.objects.filter(lease_id=of.lease_id).order_by("seq").values_list("kind", flat=True))
