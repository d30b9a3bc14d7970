"""The same work without us: the cycle's four transactions as bare SQL, run by pgbench on the same tables."""

from __future__ import annotations

import re
import resource
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import connection
from django.db.models.sql import InsertQuery

from apps.jobs.models import Job
from apps.robots.models import Robot, RobotSession
from benchmarks import figures
from benchmarks.rows import Site
from orchestrator.embedded.postgres import Cluster
from tests import make
from tests.plants import Plant

#: pgbench's clients differ only by a number, so their robots' ids are made of it.
_ID = "('00000000-0000-7000-8000-' || lpad((:client_id + 1)::text, 12, '0'))::uuid"

_SCRIPT = """
-- create: the job, what was done, the fact
BEGIN;
{insert} RETURNING id AS job \\gset
INSERT INTO audit_auditentry (id, tenant_id, actor_kind, actor_id, actor_name, on_behalf_of, action, target_kind,
    target_id, target_name, after, reason, outcome, permission, request_id, agent)
    VALUES (uuidv7(), '{tenant}', 'person', 'x', 'x', '', 'job.created', 'job', :job, 'job', '{{"priority": 0}}', '',
    'done', '', 'x', 'x');
{event_created};
COMMIT;

-- claim: presence, the session, the job, the limits' locks, the count, the grant, the fact
UPDATE robots_robotsession SET last_seen_at = now(), seq = seq + 1 WHERE id = {robot} AND ended_at IS NULL;
BEGIN;
SELECT id FROM robots_robotsession WHERE id = {robot} AND ended_at IS NULL FOR NO KEY UPDATE;
SELECT id AS job FROM jobs_job WHERE process_id = '{process}' AND status = 'pending' AND available_at <= now()
    ORDER BY priority DESC, available_at, id LIMIT 1 FOR UPDATE SKIP LOCKED \\gset
SELECT pg_advisory_xact_lock(hashtextextended({robot}::text, 0));
SELECT count(*) FROM jobs_execution WHERE status = 'running' AND robot_id = {robot};
WITH granted AS (
    UPDATE jobs_job SET status = 'running', attempts_used = attempts_used + 1,
        last_execution_no = last_execution_no + 1, started_at = now()
    WHERE id = :job AND status = 'pending' RETURNING *)
INSERT INTO jobs_execution (id, tenant_id, folder_id, job_id, process_id, number, status, reason, lease_id, robot_id,
    session_id, claim_request_id, limit_value, expires_at, start_by, outcome, result_digest, log_length, log_crc32,
    log_lines, log_api_length, log_truncated)
    SELECT uuidv7(), tenant_id, folder_id, id, process_id, last_execution_no, 'running', '', gen_random_uuid(), {robot},
        {robot}, gen_random_uuid(), '', now() + interval '90 s', now() + interval '180 s', '', '', 0, 0, 0, 0, false
    FROM granted RETURNING id AS execution \\gset
{event_claimed};
COMMIT;

-- start
BEGIN;
SELECT id FROM jobs_job WHERE id = :job FOR UPDATE;
UPDATE jobs_execution SET started_at = now(), expires_at = now() + interval '90 s'
    WHERE id = :execution AND status = 'running';
{event_started};
COMMIT;

-- finish: the job's lock, the execution, the job, the facts
BEGIN;
SELECT id FROM jobs_job WHERE id = :job FOR UPDATE;
UPDATE jobs_execution SET status = 'completed', finished_at = now(), outcome = 'completed', result_digest = 'x',
    exit_code = 0, usage = '{{"cpu_seconds": 0.1}}', log_final_length = 0, log_final_crc32 = 0
    WHERE id = :execution AND status = 'running';
UPDATE jobs_job SET status = 'completed', finished_at = now(), result = '{{"invoices": 12, "total": "1290.50"}}'
    WHERE id = :job AND status = 'running';
{event_completed};
{event_finished};
COMMIT;
"""
_EVENT = """
INSERT INTO events_event (id, type, tenant_id, folder_id, subject_kind, subject_id, data, actor_kind, actor_id)
    VALUES (uuidv7(), '{type}', '{tenant}', '{folder}', 'job', :job, '{{"status": "x", "reason": ""}}', 'robot', 'x')"""


@dataclass(frozen=True, slots=True)
class Bare:
    """What pgbench reached."""

    cycles_per_second: float
    milliseconds: float
    cores: dict[str, float]


def make_robots(site: Site, count: int) -> None:
    """Make the robots and sessions whose ids pgbench can tell from its clients' numbers."""
    machine = make.machine(site.tenant)
    keys = [UUID(f"00000000-0000-7000-8000-{number + 1:012}") for number in range(count)]
    Robot.objects.bulk_create(
        Robot(id=key, tenant=site.tenant, machine=machine, name=f"bare-{number}") for number, key in enumerate(keys)
    )
    RobotSession.objects.bulk_create(
        RobotSession(id=key, robot_id=key, tenant=site.tenant, instance_id=key, resume_digest="x") for key in keys
    )


def run(plant: Plant, site: Site, *, clients: int, seconds: float) -> Bare:
    """Run the bare cycles and return how many there were in a second."""
    return pgbench(plant, _script(site), clients=clients, seconds=seconds)


def pgbench(plant: Plant, text: str, *, clients: int, seconds: float) -> Bare:
    """Run a script over and over with so many clients at once, and return how often a second it went through."""
    program = Cluster.of(plant.folder).programs.folder / "pgbench"
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(text)
        script.flush()
        command = [
            str(program), "--no-vacuum", "--protocol=prepared", f"--client={clients}", "--jobs=2",
            f"--time={seconds:.0f}", f"--file={script.name}", plant.database_url,
        ]  # fmt: skip
        meter = figures.Meter({"postgres": lambda: plant.processes("postgres")})
        own = resource.getrusage(resource.RUSAGE_CHILDREN)
        meter.start()
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path("/"))
        cores = meter.stop() | {"pgbench": _spent_since(own) / seconds}
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    if done.returncode or found is None:
        raise RuntimeError(f"pgbench failed:\n{done.stdout}\n{done.stderr}")
    average = re.search(r"latency average = ([\d.]+)", done.stdout)
    return Bare(float(found[1]), float(average[1]) if average else 0.0, cores)


def _spent_since(before: resource.struct_rusage) -> float:
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    return now.ru_utime + now.ru_stime - before.ru_utime - before.ru_stime


def _script(site: Site) -> str:
    facts = {"tenant": site.tenant.pk, "folder": site.folder.pk, "process": site.process.pk, "robot": _ID}
    events = {
        f"event_{name}": _EVENT.format(type=f"job.{name}", **facts)
        for name in ("created", "claimed", "started", "completed", "finished")
    }
    return _SCRIPT.format(insert=_insert_of(make.job(site.process)), **facts, **events)


def _insert_of(template: Job) -> str:
    """Return the INSERT that makes a job like ``template``, as the ORM words it, with an id of its own."""
    query = InsertQuery(Job)
    template.command = "main"  # pgbench would take the colon of "main:main" for a variable
    fields = [field for field in Job._meta.concrete_fields if field.name not in ("id", "created_at", "available_at")]
    query.insert_values(fields, [template])
    [(statement, parameters)] = query.get_compiler(connection=connection).as_sql()
    cursor = psycopg.ClientCursor(psycopg.connect(plant_url()))
    text = cursor.mogrify(statement, parameters)
    cursor.connection.close()
    return text.replace(" (", " (id, ", 1).replace("VALUES (", "VALUES (uuidv7(), ", 1)


def plant_url() -> str:
    """Return the address of the database Django works on."""
    facts = settings.DATABASES["default"]
    return f"postgresql://{facts['USER']}@/{facts['NAME']}?host={facts['HOST'] or facts['OPTIONS'].get('host')}"
