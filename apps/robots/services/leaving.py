"""How robots go: taken out by somebody, or by themselves. Their history stays, and their names are free again."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from apps.audit import services as audit
from apps.core import bin
from apps.core.actors import Actor
from apps.core.errors import Conflict
from apps.events import services as events
from apps.rbac import services as rbac
from apps.robots.models import EnrolmentKey, Machine, Robot, RobotSession, RobotToken
from apps.robots.services import _checks, _making
from apps.tenancy import services as tenancy
from apps.tenancy.models import QuotaName


class RobotBusy(Conflict):
    """A robot goes only after what it runs."""

    code = "robot_busy"


@transaction.atomic
def delete_robot(robot: Robot, *, actor: Actor) -> None:
    """Take a robot out of every list; its name is free again, its tokens end, its history stays."""
    rbac.require(actor, "robots.delete_robot", robot)
    _take_out(robot, f"“{robot.name}” is running jobs. Drain it first, or kill them.", "deleted", by=actor)
    audit.record(actor, "robot.deleted", robot, before=_making.facts(robot))
    events.record("robot.deleted", robot)


@transaction.atomic
def restore_robot(robot: Robot, *, actor: Actor, name: str | None = None) -> Robot:
    """Take a robot back out of the bin. Its old tokens stay dead: it takes a new one, or asks with its machine's key.

    Raises ``Conflict`` as ``bin.take_back`` does, and while its machine is gone.
    """
    rbac.require(actor, "robots.delete_robot", robot)
    bin.refuse_if_gone(robot.machine, "Its machine")
    tenancy.stay_within(robot.tenant_id, name=QuotaName.ROBOTS)
    bin.take_back(robot, name=None if name is None else _checks.name(name))
    _making.next_generation(robot)
    audit.record(actor, "robot.restored", robot, after=_making.facts(robot))
    events.record("robot.restored", robot)
    return robot


@transaction.atomic
def deregister_robot(robot: Robot, *, actor: Actor, session: UUID | None = None) -> None:
    """Let a robot leave by itself, with its machine where an enrolment key made that and no other robot is on it.

    ``session`` is the one that it speaks in, if any. Raises ``RobotBusy``, and ``Conflict`` where another process
    speaks for the robot.
    """
    rbac.require(actor, "robots.report_robot", robot)
    machine = _hold(robot)
    if session and RobotSession.objects.filter(robot=robot, ended_at=None).exclude(pk=session).exists():
        raise Conflict("This session has ended: another process speaks for the robot.", code="session_over")
    _take_out(robot, "This robot still runs a job. Finish or release it first.", "deregistered")
    audit.record(actor, "robot.deregistered", robot, before=_making.facts(robot))
    events.record("robot.deleted", robot, data={"by": "itself"})
    _take_along(machine, actor)


@transaction.atomic
def sweep_ephemeral_robot(robot: Robot, *, actor: Actor) -> bool:
    """Let a robot go that came for one job and fell silent (``RobotQuerySet.gone``); says whether it was this call.

    Raises ``RobotBusy``.
    """
    rbac.require(actor, "robots.delete_robot", robot)
    machine = _hold(robot)
    if not Robot.objects.gone().filter(pk=robot.pk).exists():
        return False
    _take_out(robot, "This robot still runs a job.", "gone")
    reason = "It came for one job, and was not heard for a day."
    audit.record(actor, "robot.deregistered", robot, before=_making.facts(robot), reason=reason)
    events.record("robot.deleted", robot, data={"by": "silence"})
    _take_along(machine, actor)
    return True


def _hold(robot: Robot) -> Machine:
    """Lock a robot with all that enrolling locks, in its order, so that no robot enrols on a machine that goes."""
    EnrolmentKey.objects.select_for_update(of=("self",)).filter(machines=robot.machine_id).first()
    machine = Machine.objects.select_for_update(of=("self",)).get(pk=robot.machine_id)
    _checks.lock(robot)
    return machine


def _take_along(machine: Machine, actor: Actor) -> None:
    """Take a machine out that an enrolment key made and that no robot is on any more."""
    if machine.made_by_id is not None and not Robot.objects.alive().filter(machine=machine).exists():
        Machine.objects.filter(pk=machine.pk).update(deleted_at=Now())
        audit.record(actor, "machine.deregistered", machine)
        events.record("machine.deleted", machine)


def _take_out(robot: Robot, busy: str, reason: str, *, by: Actor | None = None) -> None:
    """End a robot's session, then look what it runs: a claim holds the session, so none comes in between.

    What somebody (``by``) takes out lies in the bin; what left by itself does not.
    """
    current = RobotSession.objects.filter(robot=robot, ended_at=None)
    current.update(ended_at=Now(), end_reason=reason, waits_until=None)
    if robot.executions.filter(status="running").exists():
        raise RobotBusy(busy)
    if by is not None:
        bin.put(robot, by=by)
    Robot.objects.filter(pk=robot.pk, deleted_at=None).update(deleted_at=Now())
    RobotToken.objects.filter(RobotToken.good_after(Now()), robot=robot).update(revoked_at=Now())
