"""Robots that speak the older calls: they know no lease, so theirs is kept for them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models.functions import Now

from apps.core.actors import Actor
from apps.core.errors import NotFound
from apps.events import services as events
from apps.jobs import services as jobs
from apps.jobs.models import Execution, Job, JobStatus
from apps.jobs.rules.reports import End
from apps.rbac import services as rbac
from apps.robots import services as robots
from apps.robots.models import Machine, Robot, RobotSession
from apps.runner.services.sessions import connect_classic


@transaction.atomic
def connect_machine(machine: Machine, *, actor: Actor, signature: str, name: str, info: dict[str, Any]) -> Machine:
    """Note that a machine's runner has started; what its robots held before counts as lost.

    Robots of the machine that run ``bv-robot`` are left alone. Raises ``NotAllowed`` for another host.
    """
    rbac.require(actor, "robots.report_robot", machine)
    machine = robots.meet_machine(machine, actor=actor, signature=signature, name=name, info=info)
    modern = RobotSession.objects.filter(ended_at=None, is_classic=False).values("robot_id")
    for robot in Robot.objects.alive().filter(machine=machine, enabled=True).exclude(pk__in=modern):
        connect_classic(robot, actor=Actor.robot(robot.pk, robot.name, robot.tenant_id), agent=info)
    events.record("machine.connected", machine)
    return machine


@transaction.atomic
def note_presence(robot: Robot, *, actor: Actor) -> RobotSession:
    """Note that an older robot spoke, and renew what it holds; opens a session where it has none."""
    rbac.require(actor, "robots.report_robot", robot)
    current = RobotSession.objects.filter(robot=robot, ended_at=None).first()
    if current is None or not current.is_classic:
        return connect_classic(robot, actor=actor, agent={})
    RobotSession.objects.filter(pk=current.pk).update(last_seen_at=Now())
    jobs.renew_leases(robot, actor=actor)
    return current


@transaction.atomic
def next_job(robot: Robot, *, actor: Actor) -> Execution | None:
    """Give an older robot its next job, or the same again until it has shown that it knows of it."""
    rbac.require(actor, "jobs.claim_job", robot)
    session = note_presence(robot, actor=actor)
    unseen = Execution.objects.open().filter(robot=robot, session=session, receipt_at=None).order_by("pk").first()
    if unseen is not None:
        return unseen
    granted = jobs.claim_jobs(session, actor=actor, wishes=[uuid4()])
    return Execution.objects.get(pk__in=granted.values()) if granted else None


@transaction.atomic
def note_receipt(robot: Robot, *, actor: Actor, handle: UUID) -> Execution:
    """Note that an older robot knows of a lease: it downloads, logs, asks or reports. Raises ``NotFound``."""
    rbac.require(actor, "robots.report_robot", robot)
    note_presence(robot, actor=actor)
    execution = Execution.objects.select_related("job", "robot").filter(robot=robot, lease_id=handle).first()
    if execution is None:
        raise NotFound("There is no such job here.", code="unknown")
    if execution.started_at is None and execution.finished_at is None and not _is_ending(execution.job):
        execution = jobs.start_execution(execution, actor=actor)
    return execution


@transaction.atomic
def settle_job(
    robot: Robot,
    *,
    actor: Actor,
    handle: UUID,
    completed: bool,
    result: Any,
    error_message: str,
    lines: Sequence[bytes],
) -> jobs.Decision:
    """Take an older robot's report. The same again is fine; another end is refused with ``Conflict``."""
    rbac.require(actor, "jobs.claim_job", robot)
    execution = note_receipt(robot, actor=actor, handle=handle)
    if lines:
        jobs.append_lines(execution, actor=actor, lines=lines)
    error = None if completed else {"type": "", "message": error_message, "traceback": "", "code": "application_error"}
    report = jobs.Report(
        job_id=execution.job_id,
        number=execution.number,
        outcome=End.COMPLETED if completed else End.FAILED,
        digest=_digest(completed, result, error_message),
        result=result,
        error=error,
    )
    return jobs.finish_execution(robot, actor=actor, lease_id=handle, report=report)


def _is_ending(job: Job) -> bool:
    """Say whether the job was asked to end before it began; the robot learns so by asking, and reports the end."""
    return job.status != JobStatus.RUNNING or job.stop_requested_at is not None


def _digest(completed: bool, result: Any, error_message: str) -> str:
    facts = json.dumps([completed, result, error_message], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(facts.encode()).hexdigest()
