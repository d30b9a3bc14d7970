"""Turning what is asked of a process into jobs: checked, made, told of. Runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from apps.configuration.models import Setting
from apps.core import statements
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, Problem
from apps.events import services as events
from apps.jobs.models import Job, JobStatus
from apps.jobs.services import _waking
from apps.packages.rules import parameters as parameter_rules
from apps.processes import rules as process_rules
from apps.processes.models import Process
from apps.robots.models import Machine, Robot
from apps.tenancy import services as tenancy
from apps.tenancy.models import QuotaName

LOWEST_PRIORITY, HIGHEST_PRIORITY = -1000, 1000
MOST_ATTEMPTS = 100
LONGEST_KEY = 200
FURTHEST_AHEAD = timedelta(days=366)

#: Says what of a job's parameters its entrypoint does not take.
ParameterCheck = Callable[[Any], list[tuple[str, str]]]


class ProcessDisabled(Conflict):
    """The process takes no new jobs."""

    code = "process_disabled"


class DuplicateJob(Conflict):
    """A live job of this process has the same dedupe key; ``job`` in the answer is its id."""

    code = "duplicate_job"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of one job, beyond what its process says. Times are in seconds."""

    parameters: Mapping[str, Any]
    priority: int | None = None
    available_at: datetime | None = None
    start_by: int | None = None
    timeout: int | None = None
    max_attempts: int | None = None
    target_robot: Robot | None = None
    target_machine: Machine | None = None
    dedupe_key: str = ""
    queue_items: Sequence[UUID] = ()
    """Waiting items that it shall own: they are delivered with it, and its end settles them."""

    @classmethod
    def again(cls, job: Job) -> Wanted:
        """Return what was asked of a job that has ended; its key still allows one live job only."""
        return cls(
            parameters=job.parameters,
            priority=job.priority,
            timeout=job.timeout,
            max_attempts=job.max_attempts,
            target_robot=job.target_robot,
            target_machine=job.target_machine,
            dedupe_key=job.dedupe_key,
        )


def prepare(
    process: Process, wanted: Sequence[Wanted], *, actor: Actor, source: str, are_numbered: bool = False
) -> list[Job]:
    """Return unsaved jobs. Raises ``ProcessDisabled``, ``NothingToRun``, and ``Invalid`` with every problem."""
    refuse_disabled(process)
    snapshot, schema = snapshot_of(process)
    check = parameter_rules.checker(schema)
    problems: list[Problem] = []
    made = []
    for row, one in enumerate(wanted):
        prefix = f"jobs[{row}]." if are_numbered else ""
        values = {**process.parameters, **one.parameters}
        found = problems_of(process, one, values, check)
        problems += [Problem(prefix + problem.field, problem.message, problem.code) for problem in found]
        if not found:
            made.append(make(process, one, values, snapshot, source=source, created_by=str(actor)))
    if problems:
        raise Invalid("; ".join(f"{p.field}: {p.message}" for p in problems[:10]), problems=problems)
    return made


def again(jobs: Sequence[Job], *, created_by: str) -> list[Job]:
    """Make ended jobs of one process anew and return those that were made; what cannot run again is left out.

    Parameters are checked again only where the version has changed: they were right for the one they ran with.
    """
    process = jobs[0].process
    refuse_disabled(process)
    snapshot, schema = snapshot_of(process)
    check = parameter_rules.checker(schema)
    version = snapshot.get("package_version")
    made = []
    for job in jobs:
        is_same_version = job.package_version_id == (version.pk if version else None)
        wanted = Wanted.again(job)
        if not problems_of(process, wanted, job.parameters, _anything if is_same_version else check):
            copy = make(process, wanted, job.parameters, snapshot, source="retry", created_by=created_by)
            copy.retry_of = job
            made.append(copy)
    if made:
        tenancy.stay_within(made[0].tenant_id, name=QuotaName.JOBS_PER_HOUR, wanted=len(made))
    Job.objects.bulk_create(made, ignore_conflicts=True)  # A live job with the same key stands for this one.
    kept = set(Job.objects.filter(pk__in=[job.pk for job in made]).values_list("pk", flat=True))
    made = [job for job in made if job.pk in kept]
    if made:
        tell(made)
    return made


def refuse_disabled(process: Process) -> None:
    """Raise ``ProcessDisabled`` where a process takes no new jobs."""
    if not process.enabled or process.deleted_at is not None:
        raise ProcessDisabled(f"“{process.name}” is disabled. Enable it before running it.")


def snapshot_of(process: Process) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a job remembers of what it runs, and the schema of its parameters. Raises ``NothingToRun``."""
    if process.package is None:
        return {"script_path": process.script_path, "kind": process.kind}, {}
    version = process.version_to_run()
    entrypoint = process.entrypoint_to_run(version)
    facts = {
        "package_version": version,
        "package_name": process.package.name,
        "package_version_number": version.version,
        "package_sha256": version.sha256,
        "entrypoint_name": entrypoint.name,
        "command": entrypoint.command,
        "kind": version.kind,
    }
    return facts, entrypoint.input_schema


def problems_of(process: Process, one: Wanted, values: Mapping[str, Any], check: ParameterCheck) -> list[Problem]:
    """Return everything that is wrong with what is asked of one job."""
    problems = [Problem(f"parameters.{path}" if path else "parameters", message) for path, message in check(values)]
    problems += _wrong_numbers(one)
    if one.available_at is not None and one.available_at > timezone.now() + FURTHEST_AHEAD:
        problems.append(Problem("available_at", "lies more than a year ahead."))
    if len(one.dedupe_key) > LONGEST_KEY:
        problems.append(Problem("dedupe_key", f"has more than {LONGEST_KEY} characters."))
    for name in ("target_robot", "target_machine"):
        row = getattr(one, name)
        if row is not None and (row.tenant_id != process.tenant_id or row.deleted_at is not None):
            problems.append(Problem(name, "does not exist in this tenant.", "unknown"))
    return problems


def _wrong_numbers(one: Wanted) -> list[Problem]:
    ranges = {
        "priority": (LOWEST_PRIORITY, HIGHEST_PRIORITY),
        "max_attempts": (1, MOST_ATTEMPTS),
        "timeout": (1, int(FURTHEST_AHEAD.total_seconds())),
        "start_by": (0, int(FURTHEST_AHEAD.total_seconds())),
    }
    return [
        Problem(name, f"must lie between {lowest} and {highest}.")
        for name, (lowest, highest) in ranges.items()
        if (value := getattr(one, name)) is not None and not lowest <= value <= highest
    ]


def make(
    process: Process,
    one: Wanted,
    values: Mapping[str, Any],
    snapshot: Mapping[str, Any],
    *,
    source: str,
    created_by: str,
) -> Job:
    """Return one unsaved job: what is asked of it, and for the rest what its process says now."""
    usual = Setting.objects.lately("jobs", process.tenant_id)
    start_by = _first(one.start_by, process.start_by, usual["start_by"])
    later = {"available_at": one.available_at} if one.available_at and one.available_at > timezone.now() else {}
    begins = later.get("available_at", Now())
    return Job(
        tenant_id=process.tenant_id,
        folder=process.folder,
        process=process,
        executor=process.executor,
        parameters=values,
        priority=one.priority if one.priority is not None else process.priority,
        start_deadline=begins + timedelta(seconds=start_by) if start_by else None,
        target_robot=one.target_robot,
        target_machine=one.target_machine,
        dedupe_key=one.dedupe_key,
        limit_value=process_rules.limit_value(values, process.limit_parameter),
        max_attempts=one.max_attempts if one.max_attempts is not None else process.max_attempts,
        timeout=_first(one.timeout, process.timeout, usual["timeout"]),
        backoff_base=process.backoff_base,
        backoff_cap=process.backoff_cap,
        backoff_jitter=process.backoff_jitter,
        on_lost=process.on_lost,
        lease_ttl=process.lease_ttl or usual["lease_seconds"],
        kill_grace=_first(process.kill_grace, usual["grace_seconds"]),
        source=source,
        created_by=created_by[:200],
        **later,
        **snapshot,
    )


def _first(*said: int | None) -> Any:
    """Return the first that says anything: who asks, then the process, then the settings."""
    return next((one for one in said if one is not None), None)


def insert(jobs: list[Job]) -> None:
    """Store new jobs, all or none; a single one knows its times then. Raises ``DuplicateJob``, ``QuotaExceeded``."""
    tenancy.stay_within(jobs[0].tenant_id, name=QuotaName.JOBS_PER_HOUR, wanted=len(jobs))
    if not any(job.dedupe_key for job in jobs):
        _store(jobs)
        return
    try:
        with transaction.atomic():
            _store(jobs)
    except IntegrityError as error:
        if "job_one_live_per_dedupe_key" not in str(error):
            raise
        raise _duplicate(jobs) from error


def _store(jobs: list[Job]) -> None:
    if len(jobs) == 1 and jobs[0].start_deadline is None:
        statements.insert(jobs[0])
        return
    Job.objects.bulk_create(jobs)
    if len(jobs) == 1:
        jobs[0].refresh_from_db(fields=["available_at", "start_deadline", "created_at"])


def tell(jobs: list[Job]) -> None:
    """Write down that jobs of one process were made, and wake whoever waits for them."""
    facts = {"status": JobStatus.PENDING.value, "reason": "", "process": str(jobs[0].process_id)}
    if len(jobs) == 1:
        events.record("job.created", jobs[0], data=facts)
    else:
        events.record_each("job.created", Job.objects.filter(pk__in=[job.pk for job in jobs]), data=facts)
    _waking.announce_work(jobs[0], count=len(jobs))


def _duplicate(jobs: list[Job]) -> DuplicateJob:
    keys = [job.dedupe_key for job in jobs if job.dedupe_key]
    live = Job.objects.live().filter(process_id=jobs[0].process_id, dedupe_key__in=keys).first()
    if live is not None:
        message = f"A job with the dedupe key “{live.dedupe_key}” has not ended yet."
        return DuplicateJob(message, job=str(live.pk))
    twice = next(key for key in keys if keys.count(key) > 1)
    return DuplicateJob(f"The dedupe key “{twice}” is named twice.", job=None)


def _anything(_: Any) -> list[tuple[str, str]]:
    return []
