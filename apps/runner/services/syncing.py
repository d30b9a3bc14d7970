"""The one hot call: presence, renewals and, with free slots, a claim.

It first runs one autocommit statement that does everything an idle robot needs, and says whether a claim could find
anything. Only a yes opens a transaction. It is the one place where an operation is more than one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings

from apps.audit import services as audit
from apps.core import statements, tokens
from apps.core.actors import Actor
from apps.core.errors import Conflict, NotAllowed, NotSignedIn
from apps.jobs import services as jobs
from apps.robots import services as robots
from apps.robots.models import Robot, RobotSession, RobotToken
from apps.runner.services import _pacing, _samples


class SequenceConflict(Conflict):
    """One sequence number came with two different bodies: two processes share this session's memory."""

    code = "sequence_conflict"


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a robot says about one lease it holds."""

    lease: UUID
    progress: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    running_for: float | None = None


@dataclass(frozen=True, slots=True)
class Presence:
    """What a robot says in one sync."""

    session: UUID
    seq: int
    body_digest: str
    wishes: Sequence[UUID] = ()
    leases: Sequence[Renewal] = ()
    metrics: dict[str, Any] = field(default_factory=dict)
    clock: float | None = None
    is_sample: bool = False
    accepting: bool = True
    problem: str = ""
    epoch: int = 0
    tick: int = 0


@dataclass(frozen=True, slots=True)
class Answered:
    """What a robot is told: per lease what to do, what it was granted, and when to come again."""

    robot_id: UUID
    leases: dict[str, str]
    watched: list[str]
    grants: dict[UUID, UUID]
    next_sync_in: float
    ticket: str | None
    config: dict[str, Any]
    epoch: int
    tick: int


#: One round trip. ``me`` finds token, robot and session; ``seen`` notes presence where the session is current and the
#: sequence moves on (or repeats itself word for word); ``renewed`` extends leases that are open and not out of time.
_SYNC = f"""
    WITH me AS MATERIALIZED (
        SELECT r.id AS robot_id, r.name, r.tenant_id, r.enabled, r.draining, r.slots, r.labels || m.labels AS labels,
               r.pushed_settings::json AS pushed_settings,
               extract(epoch FROM t.expires_at - statement_timestamp())::float AS token_expires_in,
               n.status AS tenant_status, s.id AS session_id, s.seq, s.body_digest, s.created_at AS opened_at
        FROM robots_robottoken t
        JOIN robots_robot r ON r.id = t.robot_id AND r.deleted_at IS NULL
        JOIN robots_machine m ON m.id = r.machine_id
        JOIN tenancy_tenant n ON n.id = r.tenant_id
        LEFT JOIN robots_robotsession s ON s.robot_id = r.id AND s.ended_at IS NULL AND s.id = %(session)s
        WHERE t.public = %(public)s AND t.digest = ANY(%(digests)s)
          AND coalesce(t.revoked_at > statement_timestamp(), true)
          AND coalesce(t.expires_at > statement_timestamp(), true)
    ), seen AS (
        UPDATE robots_robotsession s SET last_seen_at = statement_timestamp(), seq = %(seq)s,
            body_digest = %(body_digest)s, accepting = %(accepting)s, problem = %(problem)s,
            metrics = %(metrics)s::jsonb || jsonb_strip_nulls(jsonb_build_object('clock_skew',
                round((%(clock)s::float - extract(epoch FROM statement_timestamp()))::numeric, 1))),
            waits_until = statement_timestamp() + make_interval(secs => %(waits)s)
        FROM me WHERE s.id = me.session_id AND s.ended_at IS NULL AND me.enabled AND me.tenant_status = 'active'
          AND (s.seq < %(seq)s OR (s.seq = %(seq)s AND s.body_digest = %(body_digest)s))
        RETURNING s.id, s.robot_id
    ), said AS (
        SELECT * FROM unnest(%(leases)s::uuid[], %(progress)s::jsonb[], %(usage)s::jsonb[], %(running_for)s::float[])
            AS x (lease_id, progress, usage, running_for)
    ), renewed AS (
        UPDATE jobs_execution e SET
            expires_at = statement_timestamp() + make_interval(secs => j.lease_ttl),
            progress = coalesce(x.progress, e.progress), usage = coalesce(x.usage, e.usage),
            timeout_at = CASE WHEN j.timeout IS NULL OR x.running_for IS NULL THEN e.timeout_at
                ELSE least(e.timeout_at, statement_timestamp() + make_interval(secs => j.timeout - x.running_for)) END
        FROM said x, seen, jobs_job j
        WHERE e.lease_id = x.lease_id AND e.status = 'running' AND e.robot_id = seen.robot_id AND j.id = e.job_id
          AND coalesce(e.timeout_at > statement_timestamp(), true)
          AND (e.started_at IS NOT NULL OR e.start_by > statement_timestamp())
        RETURNING e.lease_id
    ), timed_out AS (
        UPDATE jobs_execution e SET kill_asked_at = statement_timestamp()
        FROM said x, seen
        WHERE e.lease_id = x.lease_id AND e.status = 'running' AND e.robot_id = seen.robot_id
          AND e.timeout_at <= statement_timestamp() AND e.kill_asked_at IS NULL
        RETURNING e.lease_id
    )
    SELECT me.robot_id, me.name, me.tenant_id, me.enabled, me.draining, me.slots, me.labels, me.tenant_status,
        me.pushed_settings, me.token_expires_in, me.session_id, me.seq, me.body_digest,
        EXISTS (SELECT 1 FROM seen) AS is_seen, told.leases, told.watched,
        (SELECT count(*) FROM renewed) + (SELECT count(*) FROM timed_out) AS touched,
        EXISTS (SELECT 1 FROM jobs_execution e WHERE e.session_id = me.session_id AND e.status = 'running'
                AND e.claim_request_id = ANY(%(wishes)s::uuid[])) AS is_granted,
        CASE WHEN cardinality(%(wishes)s::uuid[]) = 0 THEN false ELSE (SELECT {jobs.ANYTHING_DUE}) END AS is_due,
        extract(epoch FROM statement_timestamp() - coalesce((SELECT e.granted_at FROM jobs_execution e
            WHERE e.robot_id = me.robot_id ORDER BY e.id DESC LIMIT 1), me.opened_at))::float AS idle_for,
        (SELECT array_agg(f.folder_id) FROM robots_robotfolder f WHERE f.robot_id = me.robot_id) AS folders,
        (SELECT json_build_array(epoch, tick) FROM jobs_plane LIMIT 1) AS plane
    FROM me, LATERAL (
        SELECT json_object_agg(x.lease_id, CASE
            WHEN e.id IS NULL OR e.status <> 'running' THEN 'lost'
            WHEN e.timeout_at <= statement_timestamp() THEN 'kill'
            WHEN j.status = 'cancelling' THEN 'cancel'
            WHEN e.started_at IS NULL AND e.start_by <= statement_timestamp() THEN 'lost'
            WHEN j.stop_requested_at IS NOT NULL THEN 'stop'
            ELSE 'continue' END) AS leases,
            json_agg(x.lease_id) FILTER (WHERE e.status = 'running' AND e.watched_until > statement_timestamp())
                AS watched
        FROM said x LEFT JOIN jobs_execution e ON e.lease_id = x.lease_id AND e.robot_id = me.robot_id
        LEFT JOIN jobs_job j ON j.id = e.job_id
    ) told
"""


def sync_robot(token: str, *, presence: Presence) -> Answered:
    """Note a robot's presence, renew its leases and, if it wishes and there is anything, give it work.

    Raises ``NotSignedIn``, ``NotAllowed`` for a disabled robot or suspended tenant, ``SessionOver``,
    ``SequenceConflict``.
    """
    row = _run(token, presence)
    _refuse(row, presence)
    if not audit.has_met_address(row["robot_id"]):
        robot = Robot(pk=row["robot_id"], name=row["name"], tenant_id=row["tenant_id"])
        actor = Actor.robot(robot.pk, robot.name, robot.tenant_id)
        audit.meet_address(actor, "robot.used_from_new_address", robot)
    if presence.is_sample:
        _samples.store(row["robot_id"], row["tenant_id"], presence.metrics)
    may_claim = row["is_due"] and presence.accepting and not row["draining"]
    # A wish granted before is answered again, whatever has changed since: its first reply may have been lost.
    grants = _claim(row, presence) if may_claim or row["is_granted"] else {}
    return _answer(row, presence, grants)


def _claim(row: dict[str, Any], presence: Presence) -> dict[UUID, UUID]:
    session = RobotSession(pk=row["session_id"], robot_id=row["robot_id"], tenant_id=row["tenant_id"])
    actor = Actor.robot(row["robot_id"], row["name"], row["tenant_id"])
    return jobs.claim_jobs(session, actor=actor, wishes=presence.wishes)


def _run(token: str, presence: Presence) -> dict[str, Any]:
    plain = tokens.parse(token)
    if plain is None or plain.kind != RobotToken.KIND:
        raise NotSignedIn("Invalid robot token", code="bad_token")
    peppers = (settings.TOKEN_PEPPER, *settings.TOKEN_PEPPER_FALLBACKS)
    facts = {
        "public": plain.public,
        "digests": [plain.digest(pepper) for pepper in peppers],
        "session": presence.session,
        "seq": presence.seq,
        "body_digest": presence.body_digest,
        "accepting": presence.accepting,
        "problem": presence.problem,
        "metrics": json.dumps(presence.metrics),
        "clock": presence.clock,
        "waits": settings.WAIT_MAX + 10 if settings.LIVE_URL else 0,
        "leases": [renewal.lease for renewal in presence.leases],
        "progress": [_json(renewal.progress) for renewal in presence.leases],
        "usage": [_json(renewal.usage) for renewal in presence.leases],
        "running_for": [renewal.running_for for renewal in presence.leases],
        "wishes": list(presence.wishes),
        "silence": settings.OFFLINE_AFTER,
        "window": 1,
    }
    rows = statements.fetch_named(_SYNC, facts)
    if not rows:
        raise NotSignedIn("Invalid robot token", code="bad_token")
    return rows[0]


def _refuse(row: dict[str, Any], presence: Presence) -> None:
    if not row["enabled"]:
        raise NotAllowed("This robot is disabled. Ask an operator to enable it.", code="robot_disabled")
    if row["tenant_status"] != "active":
        raise NotAllowed("This tenant is suspended.", code="tenant_suspended")
    if row["session_id"] is None:
        raise jobs.SessionOver("This session has ended. Open a new one.")
    if row["is_seen"]:
        return
    if row["seq"] == presence.seq:
        robot = Robot.objects.get(pk=row["robot_id"])
        actor = Actor.robot(robot.pk, robot.name, robot.tenant_id)
        robots.flag_error(robot, actor=actor, error="two processes share one session")
        raise SequenceConflict("This sequence number came with another body. Two processes share one identity.")
    raise Conflict("An older message than one that came before it.", code="sequence_passed")


def _answer(row: dict[str, Any], presence: Presence, grants: dict[UUID, UUID]) -> Answered:
    waits = settings.LIVE_URL is not None and not grants
    folders = row["folders"] or []
    epoch, tick = row["plane"] or (1, 0)
    return Answered(
        robot_id=row["robot_id"],
        leases=row["leases"] or {},
        watched=row["watched"] or [],
        grants=grants,
        next_sync_in=_pacing.next_sync_in(
            granted=bool(grants),
            holds=bool(presence.leases),
            waits=waits,
            idle_for=row["idle_for"] or 0.0,
            pushed=row["pushed_settings"],
        ),
        ticket=_pacing.wait_ticket(row["robot_id"], row["session_id"], row["tenant_id"], folders) if waits else None,
        config={
            "draining": row["draining"],
            "slots": row["slots"],
            "labels": sorted({*row["labels"]}),
            "settings": row["pushed_settings"],
            "token_expires_in": row["token_expires_in"],
        },
        epoch=epoch,
        tick=tick,
    )


def _json(value: dict[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value)
