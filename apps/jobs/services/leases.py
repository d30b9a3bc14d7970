"""What a robot says about a lease before the end: that it began, and that it gives it back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now

from apps.core.actors import Actor
from apps.core.errors import Conflict, NotFound
from apps.events import services as events
from apps.jobs.models import Execution, ExecutionStatus, Job
from apps.jobs.rules.reports import End
from apps.jobs.services import _settling
from apps.rbac import services as rbac
from apps.robots.models import Robot, RobotSession

#: What building an environment may take (seconds): a job's time-out counts from its child's start, which the robot
#: reports with its renewals; an older one never does, so its time-out counts from its first sign of receipt.
ENVIRONMENT_LIMIT = 1800


class LeaseOver(Conflict):
    """The lease is no longer held; ``status`` in the answer says how its execution ended."""

    code = "lease_over"


def find_lease(lease_id: UUID, *, actor: Actor) -> Execution:
    """Return the execution under a lease of this robot. Raises ``NotFound``, in one shape for all that is not its own."""
    own = Execution.objects.select_related("job", "robot").filter(tenant_id=actor.tenant_id, robot_id=actor.id)
    execution = own.filter(lease_id=lease_id).first()
    if execution is None:
        raise NotFound("There is no such lease.", code="unknown")
    return execution


@transaction.atomic
def start_execution(execution: Execution, *, actor: Actor) -> Execution:
    """Note that the robot has the package and begins. The same again changes nothing. Raises ``LeaseOver``."""
    rbac.require(actor, "jobs.report_execution", execution)
    job = _settling.lock_job_of(execution)
    _require_open(execution)
    if execution.started_at is None:
        allowance = 0 if execution.session.is_classic else ENVIRONMENT_LIMIT
        backstop = timedelta(seconds=job.timeout + allowance) if job.timeout else None
        Execution.objects.filter(pk=execution.pk, status=ExecutionStatus.RUNNING).update(
            started_at=Now(),
            receipt_at=Now(),
            expires_at=Now() + timedelta(seconds=job.lease_ttl),
            timeout_at=Now() + backstop if backstop else None,
        )
        events.record("job.started", job, data=_settling.facts_of(job, execution))
    return execution


@transaction.atomic
def release_execution(execution: Execution, *, actor: Actor, reason: str = "") -> Execution:
    """Take a job back from its robot, which costs no attempt. The same again changes nothing. Raises ``LeaseOver``."""
    rbac.require(actor, "jobs.report_execution", execution)
    job = _settling.lock_job_of(execution)
    if execution.status != ExecutionStatus.RELEASED:
        _require_open(execution)
        _settling.close(job, execution, End.RELEASED, reason=reason[:40])
        events.record("execution.released", execution, data={"reason": reason})
    return execution


_RENEW = """
    UPDATE jobs_execution e SET expires_at = CASE WHEN e.receipt_at IS NULL
        THEN least(e.start_by, statement_timestamp() + make_interval(secs => j.lease_ttl))
        ELSE statement_timestamp() + make_interval(secs => j.lease_ttl) END
    FROM jobs_job j
    WHERE j.id = e.job_id AND e.robot_id = %s AND e.status = 'running'
      AND coalesce(e.timeout_at > statement_timestamp(), true)
"""


@transaction.atomic
def renew_leases(robot: Robot, *, actor: Actor) -> int:
    """Extend all that a robot holds whose calls name no lease; what it never acknowledged only until it must begin."""
    rbac.require(actor, "robots.report_robot", robot)
    with connection.cursor() as cursor:
        cursor.execute(_RENEW, [robot.pk])
        return cursor.rowcount


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
    for execution in Execution.objects.open().filter(robot=robot, session_id__in=ended).order_by("job_id"):
        job = _settling.lock_job_of(execution)
        if session is not None and execution.lease_id in still_running:
            _extend(execution, job, session)
            kept.append(execution.lease_id)
            continue
        end = End.LOST if execution.started_at else End.RELEASED
        if _settling.close(job, execution, end, reason="lost" if end is End.LOST else ""):
            events.record("execution.given_up", execution, data={"reason": reason})
    return kept


def _extend(execution: Execution, job: Job, session: RobotSession) -> None:
    changes = {"session": session, "expires_at": Now() + timedelta(seconds=job.lease_ttl)}
    Execution.objects.filter(pk=execution.pk, status=ExecutionStatus.RUNNING).update(**changes)


def _require_open(execution: Execution) -> None:
    if execution.status != ExecutionStatus.RUNNING:
        raise LeaseOver(f"This lease is over: its execution is {execution.status}.", status=execution.status)


