"""What a robot says about a lease before the end: that it began, and that it gives it back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from apps.core import ids, statements, tokens
from apps.core.actors import Actor
from apps.core.errors import Conflict, NotFound
from apps.events import services as events
from apps.jobs.models import Execution, ExecutionStatus, Job, JobToken
from apps.jobs.rules.reports import End
from apps.jobs.services import _settling
from apps.rbac import services as rbac
from apps.robots.models import Robot, RobotSession

#: What building an environment may take (seconds): a job's time-out counts from its child's start, which the robot
#: reports with its renewals; an older one never does, so its time-out counts from its first sign of receipt.
ENVIRONMENT_LIMIT = 1800


_BEGIN = """
    UPDATE jobs_execution SET started_at = statement_timestamp(), receipt_at = statement_timestamp(),
        expires_at = statement_timestamp() + make_interval(secs => %(ttl)s),
        timeout_at = statement_timestamp() + %(backstop)s::interval
    WHERE id = %(id)s AND status = 'running'
"""

#: Where the secret behind derived tokens was changed between two starts, the one answered last is the good one.
_ISSUE = """
    INSERT INTO jobs_jobtoken (id, tenant_id, execution_id, public, digest)
    VALUES (%(id)s, %(tenant)s, %(execution)s, %(public)s, %(digest)s)
    ON CONFLICT (execution_id) DO UPDATE SET public = excluded.public, digest = excluded.digest
"""


class LeaseOver(Conflict):
    """The lease is no longer held; ``status`` in the answer says how its execution ended."""

    code = "lease_over"


class JobEnding(Conflict):
    """The job was cancelled or stopped. Before it began: give the lease back, which ends the job."""

    code = "job_ending"


def find_lease(lease_id: UUID, *, actor: Actor) -> Execution:
    """Return the execution under a lease of this robot. Raises ``NotFound``, alike for all that is not its own."""
    own = {"lease": lease_id, "robot": actor.id}
    execution = statements.find(Execution, "WHERE t.lease_id = %(lease)s AND t.robot_id = %(robot)s::uuid", own)
    if execution is None:
        raise NotFound("There is no such lease.", code="unknown")
    return execution


@transaction.atomic
def hold_execution(execution: Execution, *, actor: Actor) -> None:
    """Keep an execution from ending until the transaction does, for what is given to its job meanwhile.

    Raises ``LeaseOver``, and ``JobEnding`` where the job was asked to end: it is given no more.
    """
    rbac.require(actor, "jobs.report_execution", execution)
    job = _settling.lock_job_of(execution)
    require_open(execution)
    _refuse_if_ending(job, "This job was asked to end, so it is given nothing more to do.")


@transaction.atomic
def start_execution(execution: Execution, *, actor: Actor) -> Execution:
    """Note that the robot has the package and begins. The same again changes nothing.

    Raises ``LeaseOver``, and ``JobEnding`` where the job was asked to end first: then it shall not begin at all.
    """
    rbac.require(actor, "jobs.report_execution", execution)
    _start(execution)
    return execution


@transaction.atomic
def start_with_token(execution: Execution, *, actor: Actor) -> tokens.PlainToken:
    """Do the same and give the job a credential of its own, good while this execution is running.

    It follows from the lease, so the same start gives the same token although only its hash is kept.
    """
    rbac.require(actor, "jobs.report_execution", execution)
    _start(execution)
    token = tokens.derive(JobToken.KIND, settings.TOKEN_PEPPER, f"job token of lease {execution.lease_id}")
    facts = {
        "id": ids.uuid7(),
        "tenant": execution.tenant_id,
        "execution": execution.pk,
        "public": token.public,
        "digest": token.digest(settings.TOKEN_PEPPER),
    }
    statements.execute(_ISSUE, facts)
    return token


@transaction.atomic
def release_execution(execution: Execution, *, actor: Actor, reason: str = "") -> Execution:
    """Take a job back from its robot, which costs no attempt. The same again changes nothing. Raises ``LeaseOver``."""
    rbac.require(actor, "jobs.report_execution", execution)
    job = _settling.lock_job_of(execution)
    if execution.status != ExecutionStatus.RELEASED:
        require_open(execution)
        _settling.close(job, execution, End.RELEASED, reason=reason[:40])
        events.record("execution.released", execution, data={"reason": reason})
    return execution


#: Jobs are locked first, as everywhere: whoever ends one holds its job and waits for its execution.
_RENEW = """
    WITH held AS MATERIALIZED (
        SELECT j.id, j.lease_ttl FROM jobs_job j
        WHERE j.id IN (SELECT job_id FROM jobs_execution WHERE robot_id = %(robot)s AND status = 'running')
        ORDER BY j.id FOR NO KEY UPDATE)
    UPDATE jobs_execution e SET expires_at = CASE WHEN e.receipt_at IS NULL
        THEN least(e.start_by, statement_timestamp() + make_interval(secs => j.lease_ttl))
        ELSE statement_timestamp() + make_interval(secs => j.lease_ttl) END
    FROM held j
    WHERE j.id = e.job_id AND e.robot_id = %(robot)s AND e.status = 'running'
      AND coalesce(e.timeout_at > statement_timestamp(), true)
"""


@transaction.atomic
def renew_leases(robot: Robot, *, actor: Actor) -> int:
    """Extend all that a robot holds whose calls name no lease; what it never acknowledged only until it must begin."""
    rbac.require(actor, "robots.report_robot", robot)
    with connection.cursor() as cursor:
        cursor.execute(_RENEW, {"robot": robot.pk})
        return int(cursor.rowcount)


@transaction.atomic
def hand_over_leases(
    robot: Robot,
    *,
    actor: Actor,
    ended: Sequence[UUID],
    reason: str,
    session: RobotSession | None = None,
    still_running: Sequence[UUID] = (),
) -> list[UUID]:
    """Settle what ended sessions of a robot held; returns the leases that go on under the new ``session``.

    Only leases whose child process provably still runs go on. Of the rest, what never started is released and costs
    no attempt; what had started is lost, because nobody knows how far it came.
    """
    rbac.require(actor, "robots.report_robot", robot)
    kept = []
    held = Q(session_id__in=ended) | Q(session=session)  # The same opening again finds its leases moved already.
    for execution in Execution.objects.open().filter(held, robot=robot).order_by("job_id"):
        job = _settling.lock_job_of(execution)
        if session is not None and execution.lease_id in still_running:
            kept += _extend(execution, job, session)
        elif execution.session_id in ended:
            _give_up(execution, job, reason)
    return kept


def _start(execution: Execution) -> None:
    job = _settling.lock_job_of(execution)
    require_open(execution)
    if execution.started_at is None:
        _refuse_if_ending(job)
        backstop = _backstop(execution, job.timeout) if job.timeout else None
        facts = {"id": execution.pk, "ttl": job.lease_ttl, "backstop": backstop}
        statements.execute(_BEGIN, facts)
        events.record("job.started", job, data=_settling.facts_of(job, execution))


def _extend(execution: Execution, job: Job, session: RobotSession) -> list[UUID]:
    """Let a lease go on under another session; returns it unless it ended while its job was being locked."""
    changes = {"session": session, "expires_at": Now() + timedelta(seconds=job.lease_ttl)}
    went_on = Execution.objects.filter(pk=execution.pk, status=ExecutionStatus.RUNNING).update(**changes)
    return [execution.lease_id] if went_on else []


def _give_up(execution: Execution, job: Job, reason: str) -> None:
    end = End.LOST if execution.started_at else End.RELEASED
    if _settling.close(job, execution, end, reason="lost" if end is End.LOST else "", because=reason):
        events.record("execution.given_up", execution, data={"reason": reason})


def _backstop(execution: Execution, timeout: int) -> timedelta:
    return timedelta(seconds=timeout + (0 if execution.session.is_classic else ENVIRONMENT_LIMIT))


def _refuse_if_ending(job: Job, so: str = "This job was asked to end before it began. Give the lease back.") -> None:
    if job.cancel_requested_at is not None or job.stop_requested_at is not None:
        raise JobEnding(so, current=job.status)


def require_open(execution: Execution) -> None:
    """Raise ``LeaseOver`` unless an execution, read under its job's lock, is running."""
    if execution.status != ExecutionStatus.RUNNING:
        raise LeaseOver(f"This lease is over: its execution is {execution.status}.", current=execution.status)
