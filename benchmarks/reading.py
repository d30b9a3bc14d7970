"""What ``big_tables`` measures. Imported once Django is set up."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.core.actors import Actor
from apps.jobs import services as jobs
from apps.jobs.models import BulkAction, BulkChange, Execution, Job, why
from apps.processes.models import Process
from apps.rbac import services as rbac
from apps.rbac.models import Role
from apps.robots.models import Robot
from apps.tenancy import services as tenancy
from apps.tenancy.models import Folder, Tenant
from tests import make

BIG = ("jobs_job", "jobs_execution")
ROBOTS, WAITING, BULK_ROWS = 1000, 5000, 20_000
_ID_AT = (
    "encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) placing substring(int8send("
    "floor(extract(epoch from {moment}) * 1000)::bigint) from 3) from 1 for 6), 52, 1), 53, 1), 'hex')::uuid"
)
_ENDED_JOBS = f"""
    WITH made AS (
        SELECT n, statement_timestamp() - make_interval(secs => 86400 + n * 5.0) AS at,
               (%(processes)s::uuid[])[1 + (n * 7 + n / 13) %% cardinality(%(processes)s::uuid[])] AS process_id,
               CASE WHEN n %% 1000 < 900 THEN 'completed'
                    WHEN n %% 1000 < 980 THEN 'failed' ELSE 'cancelled' END AS status
        FROM generate_series(1, %(rows)s) n)
    INSERT INTO jobs_job (id, created_at, tenant_id, folder_id, process_id, status, reason, package_version_id,
        package_name, package_version_number, package_sha256, entrypoint_name, command, script_path, kind, executor,
        parameters, priority, available_at, dedupe_key, limit_value, max_attempts, attempts_used, last_execution_no,
        backoff_base, backoff_cap, backoff_jitter, on_lost, lease_ttl, kill_grace, source, created_by, started_at,
        finished_at, cancel_requested_at)
    SELECT {_ID_AT.format(moment="m.at")}, m.at, p.tenant_id, p.folder_id, p.id, m.status,
        CASE m.status WHEN 'failed' THEN CASE WHEN m.n %% 100000 = 950 THEN 'poison' ELSE 'application_error' END
             WHEN 'cancelled' THEN 'cancelled' ELSE '' END,
        v.id, 'package', v.version, v.sha256, 'main', 'main:main', '', 'rpa', 'robot',
        '{{"customer": "x"}}', 0, m.at, '', '', 1, 1, 1, 10, 3600, true, 'retry', 90, 30,
        CASE WHEN m.n %% 5 = 0 THEN 'trigger' ELSE 'api' END, 'somebody', m.at, m.at, m.at
    FROM made m JOIN processes_process p ON p.id = m.process_id
    JOIN LATERAL (SELECT * FROM packages_packageversion WHERE package_id = p.package_id LIMIT 1) v ON true
"""
_EXECUTIONS = f"""
    INSERT INTO jobs_execution (id, created_at, tenant_id, folder_id, job_id, process_id, number, status, reason,
        lease_id, robot_id, session_id, claim_request_id, limit_value, granted_at, expires_at, start_by, started_at,
        finished_at, outcome, result_digest, log_length, log_crc32, log_lines, log_api_length, log_truncated)
    SELECT {_ID_AT.format(moment="j.created_at")}, j.created_at, j.tenant_id, j.folder_id, j.id, j.process_id, 1,
        j.status, '', gen_random_uuid(), s.robot_id, s.id, gen_random_uuid(), '', j.created_at, j.created_at,
        j.created_at, j.created_at, j.created_at, j.status, '', 0, 0, 0, 0, false
    FROM (SELECT *, row_number() OVER () AS n FROM jobs_job WHERE status <> 'pending') j
    JOIN (SELECT s.*, row_number() OVER (PARTITION BY s.tenant_id) - 1 AS n FROM robots_robotsession s) s
      ON s.tenant_id = j.tenant_id AND s.n = j.n %% 10
"""


def is_filled() -> bool:
    """Say whether an earlier run has made the rows."""
    return Execution.objects.exists()


def fill(rows: int) -> None:
    """Make three tenants, one of which has most of the rows."""
    big, middle, small = (make.tenant(name) for name in ("Big", "Middle", "Small"))
    processes: list[Process] = []
    for tenant, folders, share in ((big, 5, 16), (middle, 2, 3), (small, 1, 1)):
        places = [make.folder(tenant)] + [_folder(tenant, number) for number in range(folders - 1)]
        for place in places:
            made = make.process(place)
            processes += [made] * max(1, share // folders)
        for _ in range(10):
            make.session(make.robot(of=tenant))
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(_ENDED_JOBS, {"rows": rows, "processes": [process.pk for process in processes]})
        cursor.execute(_EXECUTIONS.replace("%%", "%"))
    host = make.machine(big)
    for _ in range(ROBOTS - 10):
        make.robot(host)
    waiting = [jobs.Wanted(parameters={}) for _ in range(1000)]
    for process in processes[: WAITING // 1000]:
        jobs.create_jobs(process, actor=make.SYSTEM, wanted=waiting)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def lists() -> Iterator[str]:
    """Time each list for each kind of caller."""
    yield f"{'':52}{'ms':>8}{'sql ms':>9}  plan"
    big = Tenant.objects.get(name="Big")
    process = Process.objects.filter(tenant=big).latest("id")
    robot = Robot.objects.filter(tenant=big, sessions__isnull=False).latest("id")
    paths = {
        "all": {},
        "status=failed": {"status": "failed"},
        "status=waiting (none)": {"status": "waiting"},
        "status=waiting,cancelling (none)": {"status": ["waiting", "cancelling"]},
        "reason=poison (few)": {"reason": "poison"},
        "process": {"process": process.pk},
        "process, status=failed": {"process": process.pk, "status": "failed"},
        "folder": {"folder": process.folder_id},
        "version": {"package_version": process.version_to_run().pk},
        "robot": {"robot": robot.pk},
        "source=retry (none)": {"source": "retry"},
        "kind=agent (none)": {"kind": "agent"},
        "created an old hour": {"created_after": "2026-11-01T00:00:00Z", "created_before": "2026-11-01T01:00:00Z"},
    }
    for name, client in callers(big):
        for what, query in paths.items():
            yield _line(f"{name}: jobs, {what}", client, "/api/v1/jobs", query)
        yield _line(f"{name}: executions of a robot", client, "/api/v1/executions", {"robot": robot.pk})
        yield _line(f"{name}: robots", client, "/api/v1/robots", {"page_size": 200})
        yield _line(f"{name}: events", client, "/api/v1/events", {})


def callers(big: Tenant) -> Iterator[tuple[str, Client]]:
    """Yield who calls: everywhere, in one tenant, in one folder of a few rows, and by key."""
    folder = Folder.objects.filter(tenant=big).order_by("id").last()
    small = Tenant.objects.get(name="Small")
    people = {
        "superuser": make.user(superuser=True),
        "tenant": make.user(),
        "folder": make.user(),
        "small tenant": make.user(),
    }
    viewer = Role.objects.get(name="Viewer", tenant=None)
    rbac.assign_role(viewer, actor=make.SYSTEM, user=people["tenant"], tenant=big)
    rbac.assign_role(viewer, actor=make.SYSTEM, user=people["folder"], folder=folder)
    rbac.assign_role(viewer, actor=make.SYSTEM, user=people["small tenant"], tenant=small)
    for name, person in people.items():
        client = Client()
        client.force_login(person)
        yield name, client
    yield "key", Client(headers={"Authorization": f"Bearer {make.api_key(people['superuser'], small)}"})


def whys() -> Iterator[str]:
    """Time the explanations."""
    big = Tenant.objects.get(name="Big")
    job = Job.objects.filter(tenant=big, status="pending").earliest("id")
    last = Job.objects.filter(tenant=big, status="pending").latest("id")
    robot = Robot.objects.filter(tenant=big).latest("id")
    yield f"why a job waits, {ROBOTS} robots, first in line{_milliseconds(lambda: why.why_job(job)):>13.1f} ms"
    yield f"why a job waits, {ROBOTS} robots, last in line{_milliseconds(lambda: why.why_job(last)):>14.1f} ms"
    known = Robot.objects.visible_to(Actor.person(make.user(superuser=True)))
    yield f"the same, of visible robots{_milliseconds(lambda: why.why_job(last, among=known)):>36.1f} ms"
    yield f"why a robot is idle{_milliseconds(lambda: why.why_robot(robot)):>44.1f} ms"


def bulks() -> Iterator[str]:
    """Time bulk changes over tens of thousands of rows."""
    tenant = make.tenant("Bulk")
    process = make.process(make.folder(tenant))
    wanted = [jobs.Wanted(parameters={"customer": "x"})] * 1000
    person = Actor.person(make.user(superuser=True))
    begun = time.perf_counter()
    for _ in range(BULK_ROWS // 1000):
        jobs.create_jobs(process, actor=person, wanted=wanted)
    yield f"bulk create   {BULK_ROWS / (time.perf_counter() - begun):>10.0f} rows/s"
    for action, facts in ((BulkAction.PRIORITISE, {"priority": 7}), (BulkAction.CANCEL, {}), (BulkAction.RETRY, {})):
        filters = {"process": [str(process.pk)]}
        change = jobs.request_bulk_change(tenant, actor=person, action=action, filters=filters, **facts)
        begun = time.perf_counter()
        while jobs.advance_bulk_change(change, actor=make.SYSTEM) is not None:
            pass
        done = BulkChange.objects.get(pk=change.pk).done
        rate = done / (time.perf_counter() - begun)
        yield f"bulk {action.value:<10}{rate:>9.0f} rows/s ({done} of {change.expected})"


def _line(name: str, client: Client, path: str, query: dict[str, Any]) -> str:
    client.get(path, query)
    with CaptureQueriesContext(connection) as captured:
        begun = time.perf_counter()
        response = client.get(path, query)
        taken = (time.perf_counter() - begun) * 1000
    assert response.status_code == 200, response.content
    spent = sum(float(one["time"]) for one in captured.captured_queries) * 1000
    return f"{name:52}{taken:>8.1f}{spent:>9.1f}  {_plan(captured.captured_queries)}"


def _plan(queries: list[dict[str, str]]) -> str:
    """Say how the big tables were read by the statements."""
    read: dict[str, float] = {}
    for one in queries:
        if (one["sql"] or "").lstrip("(").startswith("SELECT") and any(f'"{table}"' in one["sql"] for table in BIG):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {one['sql'].replace('%', '%%')}", [])
                found = cursor.fetchone()[0]
            plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
            for node in _nodes(plan):
                if node.get("Relation Name") in BIG:
                    how = f"{node['Node Type']} {node.get('Index Name', node['Relation Name'])}"
                    rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
                    read[how] = read.get(how, 0) + rows * node["Actual Loops"]
    return ", ".join(f"{'!! ' if how.startswith('Seq') else ''}{how} ({rows:.0f})" for how, rows in read.items())


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


def _milliseconds(call: Callable[[], object], times: int = 10) -> float:
    call()
    begun = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - begun) * 1000 / times


def _folder(tenant: Tenant, number: int) -> Folder:
    return tenancy.create_folder(tenant, actor=make.SYSTEM, name=f"Folder {number}")
