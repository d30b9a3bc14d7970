"""Running many ended jobs of one process again by one statement, where nothing about them has to be looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import connection

from apps.configuration.models import Setting
from apps.events import services as events
from apps.events.rules import NEW_ID
from apps.jobs.models import Job
from apps.jobs.services import _waking
from apps.processes.models import Process

_TELL = events.insert_sql(
    "job.created",
    kind="job",
    source="made",
    data="jsonb_build_object('status', 'pending', 'reason', '', 'process', made.process_id)",
)
#: What ``_making.make`` does to one job, done to those of a batch. A live job with the same key stands for a copy.
_COPY = f"""
    WITH made AS (
        INSERT INTO jobs_job (id, tenant_id, folder_id, process_id, status, reason, package_version_id, package_name,
            package_version_number, package_sha256, entrypoint_name, command, script_path, kind, executor, parameters,
            priority, available_at, start_deadline, target_machine_id, target_robot_id, dedupe_key, limit_value,
            max_attempts, attempts_used, last_execution_no, timeout, backoff_base, backoff_cap, backoff_jitter, on_lost,
            lease_ttl, kill_grace, source, created_by, retry_of_id, depth)
        SELECT {NEW_ID}, p.tenant_id, p.folder_id, p.id, 'pending', '', %(version)s, %(package_name)s,
            %(version_number)s, %(sha256)s, %(entrypoint)s, %(command)s, p.script_path, %(kind)s, p.executor,
            j.parameters, j.priority, statement_timestamp(),
            statement_timestamp() + make_interval(secs => nullif(coalesce(p.start_by, %(start_by)s::integer), 0)),
            j.target_machine_id,
            j.target_robot_id, j.dedupe_key, '', j.max_attempts, 0, 0,
            coalesce(j.timeout, p.timeout, %(timeout)s::integer), p.backoff_base, p.backoff_cap,
            p.backoff_jitter, p.on_lost,
            coalesce(nullif(p.lease_ttl, 0), %(lease_ttl)s), coalesce(p.kill_grace, %(kill_grace)s), 'retry',
            %(created_by)s, j.id, 0
        FROM jobs_job j JOIN processes_process p ON p.id = j.process_id
        LEFT JOIN robots_robot r ON r.id = j.target_robot_id
        LEFT JOIN robots_machine m ON m.id = j.target_machine_id
        WHERE j.id = ANY(%(jobs)s) AND r.deleted_at IS NULL AND m.deleted_at IS NULL
        ON CONFLICT DO NOTHING
        RETURNING id, tenant_id, folder_id, process_id
    ), told AS ({_TELL})
    SELECT count(*) FROM made
"""


def can_copy(process: Process, job: Job, version_id: UUID | None) -> bool:
    """Say whether a job would run again just as it ran: with the same version, and under no limit per value."""
    return not process.limit_parameter and job.package_version_id == version_id


def copy_jobs(process: Process, jobs: Sequence[Job], snapshot: Mapping[str, Any], *, created_by: str) -> int:
    """Make ended jobs of a process anew and return how many were possible; see ``can_copy``."""
    if not jobs:
        return 0
    version, usual = snapshot.get("package_version"), Setting.objects.lately("jobs", process.tenant_id)
    facts = {
        "jobs": [job.pk for job in jobs],
        "version": version.pk if version else None,
        "package_name": snapshot.get("package_name", ""),
        "version_number": snapshot.get("package_version_number", ""),
        "sha256": snapshot.get("package_sha256", ""),
        "entrypoint": snapshot.get("entrypoint_name", ""),
        "command": snapshot.get("command", ""),
        "kind": snapshot["kind"],
        "lease_ttl": usual["lease_seconds"],
        "kill_grace": usual["grace_seconds"],
        "timeout": usual["timeout"],
        "start_by": usual["start_by"],
        "created_by": created_by[:200],
    }
    with connection.cursor() as cursor:
        cursor.execute(_COPY, facts)
        (made,) = cursor.fetchone()
    if made:
        _waking.announce_work(jobs[0], count=made)
    return int(made)
