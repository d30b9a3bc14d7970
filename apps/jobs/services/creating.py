"""Making jobs: one, many, and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, Problem
from apps.events import services as events
from apps.jobs.models import Job, JobStatus
from apps.jobs.services import _waking
from apps.packages.rules import parameters as parameter_rules
from apps.processes import rules as process_rules
from apps.processes.models import Process
from apps.rbac import services as rbac
from apps.robots.models import Machine, Robot

LOWEST_PRIORITY, HIGHEST_PRIORITY = -1000, 1000
MOST_AT_ONCE = 1000
FURTHEST_AHEAD = timedelta(days=366)


class ProcessDisabled(Conflict):
    """The process takes no new jobs."""

    code = "process_disabled"


class DuplicateJob(Conflict):
    """A live job of this process has the same dedupe key; ``job`` in the answer is its id."""

    code = "duplicate_job"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of one job, beyond what its process says."""

    parameters: Mapping[str, Any]
    priority: int | None = None
    available_at: datetime | None = None
    start_by: int | None = None
    timeout: int | None = None
    max_attempts: int | None = None
    target_robot: Robot | None = None
    target_machine: Machine | None = None
    dedupe_key: str = ""


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

    Raises ``Invalid`` naming each wrong parameter, ``DuplicateJob``, ``ProcessDisabled``, ``NothingToRun``.
    """
    rbac.require(actor, "processes.run_process", process)
    job = _prepare(process, [wanted], actor, source)[0]
    job.retry_of = retry_of
    _insert([job])
    audit.record(actor, "job.created", job, after=_asked(job))
    _tell([job])
    return job


@transaction.atomic
def create_jobs(process: Process, *, actor: Actor, wanted: Sequence[Wanted], source: str = "api") -> list[Job]:
    """Ask for many runs at once, all or none; at most 1,000. Raises as ``create_job``, naming the row."""
    rbac.require(actor, "processes.run_process", process)
    if not 0 < len(wanted) <= MOST_AT_ONCE:
        raise Invalid.field("jobs", f"name between 1 and {MOST_AT_ONCE} jobs.")
    jobs = _prepare(process, wanted, actor, source)
    _insert(jobs)
    audit.record(actor, "jobs.created", process, after={"count": len(jobs), "first": str(jobs[0].pk)})
    _tell(jobs)
    return jobs


@transaction.atomic
def retry_job(job: Job, *, actor: Actor) -> Job:
    """Run a finished job again as a new one with the same parameters, linked to it."""
    rbac.require(actor, "jobs.retry_job", job)
    if not job.is_final:
        raise Conflict(f"The job is {job.status}; only one that has ended can be retried.", status=job.status)
    wanted = Wanted(
        parameters=job.parameters,
        priority=job.priority,
        timeout=job.timeout,
        max_attempts=job.max_attempts,
        target_robot=job.target_robot,
        target_machine=job.target_machine,
    )
    again = _prepare(job.process, [wanted], actor, "retry")[0]
    again.retry_of = job
    _insert([again])
    audit.record(actor, "job.retried", job, after={"job": str(again.pk)})
    _tell([again])
    return again


def retry_together(jobs: Sequence[Job], *, created_by: str) -> int:
    """Run ended jobs of one process again, within the caller's transaction; returns how many were possible.

    Parameters are checked again only where the version has changed: they were right for the one they ran with.
    """
    process = jobs[0].process
    if not process.enabled or process.deleted_at is not None:
        return 0
    snapshot, schema = _snapshot(process)
    again = []
    for job in jobs:
        changed = job.package_version_id != getattr(snapshot.get("package_version"), "pk", None)
        if changed and parameter_rules.problems(schema, job.parameters):
            continue
        wanted = Wanted(parameters=job.parameters, priority=job.priority, timeout=job.timeout)
        made = _job(process, wanted, job.parameters, snapshot)
        made.source, made.created_by, made.retry_of = "retry", created_by[:200], job
        again.append(made)
    if again:
        _insert(again)
        _tell(again)
    return len(again)


def _prepare(process: Process, wanted: Sequence[Wanted], actor: Actor, source: str) -> list[Job]:
    if not process.enabled or process.deleted_at is not None:
        raise ProcessDisabled(f"“{process.name}” is disabled. Enable it before running it.")
    snapshot, schema = _snapshot(process)
    problems: list[Problem] = []
    jobs = []
    for row, one in enumerate(wanted):
        prefix = f"jobs[{row}]." if len(wanted) > 1 else ""
        values = {**process.parameters, **one.parameters}
        problems += [Problem(prefix + p.field, p.message, p.code) for p in _problems(process, one, values, schema)]
        jobs.append(_job(process, one, values, snapshot) if not problems else None)
    if problems:
        raise Invalid("; ".join(f"{p.field}: {p.message}" for p in problems[:10]), problems=problems)
    made = [job for job in jobs if job is not None]
    for job in made:
        job.source, job.created_by = source, str(actor)[:200]
    return made


def _snapshot(process: Process) -> tuple[dict[str, Any], dict[str, Any]]:
    if process.package is None:
        return {"script_path": process.script_path}, {}
    version = process.version_to_run()
    entrypoint = process.entrypoint_to_run(version)
    facts = {
        "package_version": version,
        "package_name": process.package.name,
        "package_version_number": version.version,
        "package_sha256": version.sha256,
        "entrypoint_name": entrypoint.name,
        "command": entrypoint.command,
    }
    return facts, entrypoint.input_schema


def _problems(process: Process, one: Wanted, values: dict[str, Any], schema: dict[str, Any]) -> list[Problem]:
    problems = [
        Problem(f"parameters.{path}" if path else "parameters", message)
        for path, message in parameter_rules.problems(schema, values)
    ]
    if one.priority is not None and not LOWEST_PRIORITY <= one.priority <= HIGHEST_PRIORITY:
        problems.append(Problem("priority", f"must lie between {LOWEST_PRIORITY} and {HIGHEST_PRIORITY}."))
    if one.available_at is not None and one.available_at > timezone.now() + FURTHEST_AHEAD:
        problems.append(Problem("available_at", "lies more than a year ahead."))
    for name in ("target_robot", "target_machine"):
        row = getattr(one, name)
        if row is not None and (row.tenant_id != process.tenant_id or row.deleted_at is not None):
            problems.append(Problem(name, "does not exist in this tenant.", "unknown"))
    return problems


def _job(process: Process, one: Wanted, values: dict[str, Any], snapshot: dict[str, Any]) -> Job:
    start_by = one.start_by if one.start_by is not None else process.start_by
    available_at = one.available_at if one.available_at and one.available_at > timezone.now() else None
    begins = available_at or Now()
    return Job(
        tenant_id=process.tenant_id,
        folder_id=process.folder_id,
        process=process,
        kind=process.kind,
        executor=process.executor,
        parameters=values,
        priority=one.priority if one.priority is not None else process.priority,
        available_at=begins,
        start_deadline=begins + timedelta(seconds=start_by) if start_by else None,
        target_robot=one.target_robot,
        target_machine=one.target_machine,
        dedupe_key=one.dedupe_key,
        limit_value=process_rules.limit_value(values, process.limit_parameter),
        max_attempts=one.max_attempts or process.max_attempts,
        timeout=one.timeout if one.timeout is not None else process.timeout,
        backoff_base=process.backoff_base,
        backoff_cap=process.backoff_cap,
        backoff_jitter=process.backoff_jitter,
        on_lost=process.on_lost,
        lease_ttl=process.lease_ttl or settings.LEASE_TTL,
        kill_grace=process.kill_grace if process.kill_grace is not None else settings.KILL_GRACE,
        **snapshot,
    )


def _insert(jobs: list[Job]) -> None:
    try:
        with transaction.atomic():
            Job.objects.bulk_create(jobs)
    except IntegrityError as error:
        if "job_one_live_per_dedupe_key" not in str(error):
            raise
        raise _duplicate(jobs) from error


def _duplicate(jobs: list[Job]) -> DuplicateJob:
    keys = [job.dedupe_key for job in jobs if job.dedupe_key]
    live = Job.objects.live().filter(process_id=jobs[0].process_id, dedupe_key__in=keys).first()
    key, identity = (live.dedupe_key, str(live.pk)) if live else (keys[0], None)
    return DuplicateJob(f"A job with the dedupe key “{key}” has not ended yet.", job=identity)


def _tell(jobs: list[Job]) -> None:
    made = Job.objects.filter(pk__in=[job.pk for job in jobs])
    facts = {"status": JobStatus.PENDING.value, "reason": "", "process": str(jobs[0].process_id)}
    if len(jobs) == 1:
        jobs[0].refresh_from_db(fields=["available_at", "start_deadline", "created_at"])
        events.record("job.created", jobs[0], data=facts)
    else:
        events.record_each("job.created", made, data=facts)
    _waking.announce_work(jobs[0], count=len(jobs))


def _asked(job: Job) -> dict[str, Any]:
    return {"process": str(job.process_id), "priority": job.priority, "source": job.source}
