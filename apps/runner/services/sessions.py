"""Where robots and what they hold change together: opening a session, regenerating a key, disabling a robot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from apps.core.actors import Actor
from apps.core.errors import NotAllowed
from apps.events import services as events
from apps.jobs import services as jobs
from apps.rbac import services as rbac
from apps.robots import services as robots
from apps.robots.models import Machine, Robot, RobotSession
from apps.tenancy.models import TenantStatus


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session, the secret that lets a restart take it over, and which leases go on."""

    session: RobotSession
    resume_secret: str
    leases: dict[UUID, str]


@transaction.atomic
def open_session(
    robot: Robot, *, actor: Actor, newcomer: robots.Newcomer, signature: str = "", running: Sequence[UUID] = ()
) -> Opened:
    """Let a process speak for a robot; what the process before it held is settled in the same transaction.

    ``running`` are leases whose child provably still runs. Raises ``SessionInUse``, ``NotAllowed``.
    """
    rbac.require(actor, "robots.report_robot", robot)
    _refuse_unwelcome(robot)
    if signature:
        robots.meet_machine(robot.machine, actor=actor, signature=signature)
    robots.forgive_refusal(robot, actor=actor)
    session, secret, ended = robots.start_session(robot, actor=actor, newcomer=newcomer)
    kept = jobs.hand_over_leases(
        robot, actor=actor, ended=ended, reason="robot_restarted", session=session, still_running=running
    )
    answers = {lease: "continue" if lease in kept else "lost" for lease in running}
    events.record("robot.connected", robot, data={"session": str(session.pk), "kept": len(kept)})
    return Opened(session, secret, answers)


@transaction.atomic
def regenerate_key(machine: Machine, *, actor: Actor) -> str:
    """Replace a machine's enrolment key and return it this once.

    The sessions of its robots end, and what they ran is settled.
    """
    rbac.require(actor, "robots.enrol_machine", machine)
    key = robots.replace_key(machine, actor=actor)
    ended = robots.end_sessions_of_machine(machine, actor=actor, reason="key_regenerated")
    for robot in Robot.objects.filter(machine=machine):
        jobs.hand_over_leases(robot, actor=Actor.system("key regenerated"), ended=ended, reason="key_regenerated")
    events.record("machine.robots_ended", machine, data={"sessions": len(ended)})
    return key


@transaction.atomic
def disable_robot(robot: Robot, *, actor: Actor, reason: str = "") -> Robot:
    """Refuse a robot from now on: its session ends, and what it ran is settled."""
    rbac.require(actor, "robots.change_robot", robot)
    robots.disable_robot(robot, actor=actor, reason=reason)
    system = Actor.system("robot disabled")
    current = RobotSession.objects.filter(robot=robot, ended_at=None).first()
    if current is not None:
        ended = robots.end_session(current, actor=system, reason="disabled")
        jobs.hand_over_leases(robot, actor=system, ended=ended, reason="disabled")
    events.record("robot.put_out", robot)
    return robot


@transaction.atomic
def connect_classic(robot: Robot, *, actor: Actor, agent: dict[str, Any]) -> RobotSession:
    """Open a new session for a robot that speaks the older calls; what it held before counts as lost."""
    rbac.require(actor, "robots.report_robot", robot)
    _refuse_unwelcome(robot)
    newcomer = robots.Newcomer(instance_id=uuid4(), agent=agent, is_classic=True)
    session, _, ended = robots.start_session(robot, actor=actor, newcomer=newcomer)
    jobs.hand_over_leases(robot, actor=actor, ended=ended, reason="robot_restarted")
    events.record("robot.connected", robot, data={"session": str(session.pk), "kept": 0})
    return session


def _refuse_unwelcome(robot: Robot) -> None:
    if not robot.enabled:
        raise NotAllowed("This robot is disabled. Ask an operator to enable it.", code="robot_disabled", target=robot)
    if robot.tenant.status != TenantStatus.ACTIVE:
        raise NotAllowed("This tenant is suspended.", code="tenant_suspended", target=robot)
