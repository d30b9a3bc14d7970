"""The claim: one transaction that gives pending jobs to one robot, each under a fresh random lease."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from apps.core import ids, statements
from apps.core.actors import Actor
from apps.core.errors import Conflict
from apps.jobs.models import ExecutionStatus
from apps.jobs.rules import eligibility
from apps.jobs.rules.eligibility import About
from apps.queues import services as queues
from apps.rbac import services as rbac
from apps.robots.models import RobotSession


class SessionOver(Conflict):
    """The session has ended: another process speaks for the robot, or an operator ended it."""

    code = "session_over"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A locked pending job, and the limits its start would count against."""

    job_id: UUID
    process_id: UUID
    limit_value: str
    concurrency_limit: int | None
    limit_per_value: int | None
    #: What it would use of limits that it shares with others: units by limit.
    shared: Mapping[str, int]

    @property
    def value_key(self) -> tuple[UUID, str] | None:
        """What jobs under one per-value limit have in common."""
        return (self.process_id, self.limit_value) if self.limit_per_value and self.limit_value else None


#: How far down the line a claim looks before it says there is nothing: past what other claimers hold locked.
WINDOW, WIDEST_WINDOW = 16, 1024

_SOURCES = """
    FROM robots_robot r
    JOIN robots_machine m ON m.id = r.machine_id
    JOIN tenancy_tenant n ON n.id = r.tenant_id
    LEFT JOIN robots_robotsession s ON s.robot_id = r.id AND s.ended_at IS NULL
"""


def _in_line(robot: str, *, unless: Container[str] = ()) -> str:
    """Return the SQL of the jobs ``robot`` could take now, best first; ``unless`` names predicates to leave out.

    It goes by process, so that those without pending jobs, and those the robot may not serve, cost one probe each. The
    jobs of a process are walked in the order of their index until the window is full. It is worded so that the planner
    sees that: it takes the conditions to leave next to nothing, and would else read and sort all that wait.
    """
    names = [predicate.name for predicate in eligibility.PREDICATES if predicate.name not in unless]
    return f"""
        SELECT c.id, c.priority, c.available_at {_SOURCES}
        JOIN processes_process p ON p.tenant_id = r.tenant_id
        CROSS JOIN LATERAL (
            SELECT j.id, j.priority, j.available_at FROM (
                SELECT * FROM jobs_job w WHERE w.process_id = p.id AND w.status = 'pending'
                ORDER BY w.priority DESC, w.available_at, w.id OFFSET 0) j
            WHERE {eligibility.condition(About.JOB, only=names)} LIMIT %(window)s) c
        WHERE r.id = {robot} AND {eligibility.condition(About.ROBOT, About.PROCESS, only=names)}
        ORDER BY c.priority DESC, c.available_at, c.id LIMIT %(window)s
    """


_HOLD = "SELECT 1 FROM robots_robotsession WHERE id = %(session)s AND ended_at IS NULL FOR NO KEY UPDATE"
_REPEATED = """
    SELECT claim_request_id, id, status FROM jobs_execution
    WHERE session_id = %(session)s AND claim_request_id = ANY(%(wishes)s::uuid[])
"""
_LINE = _in_line("%(robot)s")
_LENGTH_OF_LINE = f"SELECT count(*) FROM ({_LINE}) line"
#: The rows to lock are named as an array, and their state in a way that no index answers: without it the planner, whose
#: figures may be old, compares the line with every pending job there is.
_CHOOSE = f"""
    WITH line AS MATERIALIZED ({_LINE}), chosen AS (
        SELECT j.id, j.process_id, j.limit_value, j.priority, j.available_at FROM jobs_job j
        WHERE j.id = ANY(ARRAY(SELECT id FROM line)) AND j.status || '' = 'pending'
        ORDER BY j.priority DESC, j.available_at, j.id LIMIT %(wanted)s FOR UPDATE OF j SKIP LOCKED)
    SELECT c.id, c.process_id, c.limit_value, p.concurrency_limit, p.limit_per_value,
        coalesce((SELECT jsonb_object_agg(s.id, s.units) FROM (
                      SELECT q.limit_id AS id, q.units FROM processes_processlimit q
                      JOIN processes_namedlimit t ON t.id = q.limit_id AND t.deleted_at IS NULL
                      WHERE q.process_id = p.id
                      UNION ALL SELECT q.asset_id, 1 FROM processes_processasset q
                      JOIN assets_asset a ON a.id = q.asset_id AND a.exclusive AND a.deleted_at IS NULL
                      WHERE q.process_id = p.id) s), '{{}}'),
        (SELECT count(*) FROM line)
    FROM chosen c JOIN processes_process p ON p.id = c.process_id
    ORDER BY c.priority DESC, c.available_at, c.id
"""
#: What the one statement of a sync asks about its row ``me``: is a claim worth its transaction? That statement itself
#: notes the presence, so what it would say about that is out of date.
ANYTHING_DUE = f"""
    EXISTS (SELECT 1 FROM jobs_job d WHERE d.tenant_id = me.tenant_id AND d.status = 'pending'
            AND d.available_at <= statement_timestamp())
    AND EXISTS ({_in_line("me.robot_id", unless=("robot_online", "robot_accepting"))})
"""
_TAKE_LOCKS = "SELECT pg_advisory_xact_lock(key) FROM unnest(%(keys)s::bigint[]) AS key"
_FREE_SLOTS = """
    SELECT slots - (SELECT count(*) FROM jobs_execution WHERE status = 'running' AND robot_id = %(robot)s)
    FROM robots_robot WHERE id = %(robot)s
"""
_OPEN_BY_PROCESS = """
    SELECT process_id, limit_value, count(*) FROM jobs_execution
    WHERE status = 'running' AND process_id = ANY(%(processes)s::uuid[]) GROUP BY process_id, limit_value
"""
_UNITS_LEFT = """
    SELECT t.id, t.capacity - coalesce((
        SELECT sum(u.units) FROM processes_processlimit u
        JOIN jobs_execution e ON e.process_id = u.process_id AND e.status = 'running' WHERE u.limit_id = t.id), 0)
    FROM processes_namedlimit t WHERE t.id = ANY(%(limits)s::uuid[])
    UNION ALL SELECT a.id, 1 - (
        SELECT count(*) FROM processes_processasset u
        JOIN jobs_execution e ON e.process_id = u.process_id AND e.status = 'running' WHERE u.asset_id = a.id)
    FROM assets_asset a WHERE a.id = ANY(%(limits)s::uuid[])
"""
_GRANT = """
    WITH wish AS (
        SELECT * FROM unnest(%(jobs)s::uuid[], %(requests)s::uuid[], %(leases)s::uuid[], %(executions)s::uuid[],
                             %(events)s::uuid[]) AS w (job_id, request_id, lease_id, execution_id, event_id)
    ), granted AS (
        UPDATE jobs_job j SET status = 'running', reason = '', attempts_used = j.attempts_used + 1,
            last_execution_no = j.last_execution_no + 1, started_at = coalesce(j.started_at, statement_timestamp()),
            stop_requested_at = NULL
        FROM wish w WHERE j.id = w.job_id AND j.status = 'pending'
        RETURNING j.*, w.request_id, w.lease_id, w.execution_id, w.event_id
    ), opened AS (
        INSERT INTO jobs_execution (id, tenant_id, folder_id, job_id, process_id, number, status, reason, lease_id,
            robot_id, session_id, claim_request_id, limit_value, granted_at, expires_at, start_by, outcome,
            result_digest, log_length, log_crc32, log_lines, log_api_length, log_truncated)
        SELECT g.execution_id, g.tenant_id, g.folder_id, g.id, g.process_id, g.last_execution_no, 'running', '',
            g.lease_id, %(robot)s, %(session)s, g.request_id, g.limit_value, statement_timestamp(),
            statement_timestamp() + make_interval(secs => g.lease_ttl),
            statement_timestamp() + make_interval(secs => 2 * g.lease_ttl), '', '', 0, 0, 0, 0, false
        FROM granted g RETURNING id
    ), told AS (
        INSERT INTO events_event (id, type, tenant_id, folder_id, subject_kind, subject_id, data, actor_kind, actor_id)
        SELECT g.event_id, 'job.claimed', g.tenant_id, g.folder_id, 'job', g.id,
            jsonb_build_object('status', 'running', 'reason', '', 'process', g.process_id, 'execution', g.execution_id,
                               'number', g.last_execution_no, 'robot', %(robot)s::uuid), 'robot', %(robot)s::text
        FROM granted g RETURNING id
    )
    SELECT (SELECT count(*) FROM opened), (SELECT count(*) FROM told),
        EXISTS (SELECT 1 FROM queues_queueitem i
                WHERE i.reserved_for = ANY(%(jobs)s::uuid[]) AND i.reserved_for IS NOT NULL AND i.status = 'new')
"""


@transaction.atomic
def claim_jobs(session: RobotSession, *, actor: Actor, wishes: Sequence[UUID]) -> dict[UUID, UUID]:
    """Give this robot up to one job per wish; returns execution ids by wish.

    A wish that was granted before gets the same execution while that is open, else nothing: one wish never makes two
    leases. Limits are counted from open executions under their locks, in a statement of their own, because the
    statement that waits for a lock still sees what was before it. Raises ``SessionOver``.
    """
    rbac.require(actor, "jobs.claim_job", session)
    _hold(session)
    granted, new = _repeated(session, wishes)
    if new:
        granted |= _grant(session, _choose(session.robot_id, len(new)), new)
    return granted


def _hold(session: RobotSession) -> None:
    if not statements.fetch(_HOLD, {"session": session.pk}):
        raise SessionOver("This session has ended. Open a new one.")


def _repeated(session: RobotSession, wishes: Sequence[UUID]) -> tuple[dict[UUID, UUID], list[UUID]]:
    known = statements.fetch(_REPEATED, {"session": session.pk, "wishes": statements.array(wishes)})
    answered = {wish: (pk, status) for wish, pk, status in known}
    still_open = {wish: pk for wish, (pk, status) in answered.items() if status == ExecutionStatus.RUNNING}
    return still_open, [wish for wish in dict.fromkeys(wishes) if wish not in answered]


def _choose(robot_id: UUID, wanted: int) -> list[Candidate]:
    """Lock the best pending jobs nobody else is looking at, widening the window past locked ones."""
    window = WINDOW + wanted
    while True:
        rows = statements.fetch(_CHOOSE, _parameters(robot_id) | {"window": window, "wanted": wanted})
        seen = rows[0][6] if rows else _length_of_line(robot_id, window)
        if len(rows) >= wanted or seen < window or window >= WIDEST_WINDOW:
            return [_candidate(*row) for row in rows]
        window *= 8


def _candidate(job: UUID, process: UUID, value: str, limit: int, per_value: int, shared: str, _: int) -> Candidate:
    return Candidate(job, process, value, limit, per_value, json.loads(shared))


def _length_of_line(robot_id: UUID, window: int) -> int:
    [(length,)] = statements.fetch(_LENGTH_OF_LINE, _parameters(robot_id) | {"window": window})
    return int(length)


def _grant(session: RobotSession, candidates: list[Candidate], wishes: list[UUID]) -> dict[UUID, UUID]:
    if not candidates:
        return {}
    _take_limit_locks(session.robot_id, candidates)
    chosen = list(_within_limits(session.robot_id, candidates))
    requests = wishes[: len(chosen)]
    executions = [ids.uuid7() for _ in chosen]
    facts: dict[str, Any] = {
        "jobs": statements.array(chosen),
        "requests": statements.array(requests),
        "leases": statements.array(uuid.uuid4() for _ in chosen),
        "executions": statements.array(executions),
        "events": statements.array(ids.uuid7() for _ in chosen),
        "robot": session.robot_id,
        "session": session.pk,
    }
    for _, _, own_items in statements.fetch(_GRANT, facts) if chosen else []:
        if own_items:
            by_job = dict(zip(chosen, executions, strict=True))
            robot = Actor.robot(session.robot_id, "", session.tenant_id)
            queues.lease_reserved(by_job, actor=robot, holder_id=session.robot_id)
    return dict(zip(requests, executions, strict=True))


def _take_limit_locks(robot_id: UUID, candidates: Iterable[Candidate]) -> None:
    keys = {_lock_number("robot", robot_id)}
    for candidate in candidates:
        if candidate.concurrency_limit is not None:
            keys.add(_lock_number("process", candidate.process_id))
        if candidate.value_key:
            keys.add(_lock_number("value", *candidate.value_key))
        keys.update(_lock_number("limit", limit_id) for limit_id in candidate.shared)
    statements.execute(_TAKE_LOCKS, {"keys": statements.array(sorted(keys))})


def _lock_number(*parts: object) -> int:
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def _within_limits(robot_id: UUID, candidates: list[Candidate]) -> Iterable[UUID]:
    """Yield the jobs that still fit, counting each one given as open."""
    [(free,)] = statements.fetch(_FREE_SLOTS, {"robot": robot_id})
    by_process, by_value = _open_counts({candidate.process_id for candidate in candidates if _is_limited(candidate)})
    left = _units_left({limit_id for candidate in candidates for limit_id in candidate.shared})
    for candidate in candidates:
        fits = candidate.concurrency_limit is None or by_process[candidate.process_id] < candidate.concurrency_limit
        if candidate.value_key and candidate.limit_per_value is not None:
            fits = fits and by_value[candidate.value_key] < candidate.limit_per_value
        fits = fits and all(left[limit_id] >= units for limit_id, units in candidate.shared.items())
        if fits and free > 0:
            free -= 1
            left.subtract(candidate.shared)
            by_process[candidate.process_id] += 1
            by_value[candidate.process_id, candidate.limit_value] += 1
            yield candidate.job_id


def _is_limited(candidate: Candidate) -> bool:
    return candidate.concurrency_limit is not None or candidate.limit_per_value is not None


def _open_counts(processes: set[UUID]) -> tuple[Counter[UUID], Counter[tuple[UUID, str]]]:
    by_process: Counter[UUID] = Counter()
    by_value: Counter[tuple[UUID, str]] = Counter()
    if processes:
        for process_id, value, count in statements.fetch(_OPEN_BY_PROCESS, {"processes": statements.array(processes)}):
            by_process[process_id] += count
            by_value[process_id, value] += count
    return by_process, by_value


def _units_left(limits: set[str]) -> Counter[str]:
    left: Counter[str] = Counter()
    if limits:
        rows = statements.fetch(_UNITS_LEFT, {"limits": statements.array(UUID(limit_id) for limit_id in limits)})
        left.update({str(limit_id): units for limit_id, units in rows})
    return left


def _parameters(robot_id: UUID) -> dict[str, Any]:
    """Return the parameters every statement built from the predicates needs."""
    return {"robot": robot_id, "silence": settings.OFFLINE_AFTER}
