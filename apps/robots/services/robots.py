"""Robots: who they are and what they may take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid
from apps.events import services as events
from apps.rbac import services as rbac
from apps.robots.models import Machine, Robot
from apps.robots.rules import REFUSED
from apps.robots.services import _checks, _making, _waking
from apps.tenancy.models import Folder


@transaction.atomic
def create_robot(
    machine: Machine,
    *,
    actor: Actor,
    name: str,
    description: str = "",
    slots: int = 1,
    labels: Sequence[str] = (),
    folders: Iterable[Folder] = (),
) -> tuple[Robot, str]:
    """Make a robot on a machine with a token of its own; the token's text is returned this once."""
    rbac.require(actor, "robots.add_robot", machine)
    _checks.lock(machine)
    if machine.deleted_at is not None:
        raise Conflict(f"“{machine.name}” has been deleted. Choose another machine.", code="machine_deleted")
    robot = _making.new_robot(machine, name=name, description=description, slots=slots, labels=labels, folders=folders)
    token = _making.own_token(robot)
    audit.record(actor, "robot.created", robot, after=_making.facts(robot))
    events.record("robot.created", robot)
    return robot, token


@transaction.atomic
def update_robot(
    robot: Robot,
    *,
    actor: Actor,
    name: str | None = None,
    description: str | None = None,
    slots: int | None = None,
    labels: Sequence[str] | None = None,
    folders: Iterable[Folder] | None = None,
    pushed_settings: Mapping[str, Any] | None = None,
) -> Robot:
    """Change what a robot is called, how much it runs at once, and for which folders; what is ``None`` stays.

    ``pushed_settings`` is all that it shall do otherwise than its installation says (see ``rules.PUSHED_SETTINGS``).
    Folders that the actor may not see stay too: nobody takes away what they do not know of. To add one, the actor must
    be allowed to change robots in it.
    """
    rbac.require(actor, "robots.change_robot", robot)
    _checks.lock(robot)
    before = _making.facts(robot)
    if name is not None:
        robot.name = _checks.name(name)
    if description is not None:
        robot.description = description
    if slots is not None:
        robot.slots = _making.checked_slots(slots)
    if labels is not None:
        robot.labels = _checks.labels(labels)
    if pushed_settings is not None:
        robot.pushed_settings = _checks.pushed_settings(pushed_settings)
    _checks.save_named(robot, update_fields=["name", "description", "slots", "labels", "pushed_settings"])
    if folders is not None:
        unseen = robot.folders.exclude(pk__in=Folder.objects.visible_to(actor).values("pk"))
        added = _making.set_folders(robot, [*folders, *unseen])
        _checks.may_work_for(actor, "robots.change_robot", added)
    _waking.call_robot(robot.pk)
    audit.record(actor, "robot.updated", robot, before=before, after=_making.facts(robot))
    events.record("robot.updated", robot)
    return robot


@transaction.atomic
def enable_robot(robot: Robot, *, actor: Actor) -> Robot:
    """Let a disabled robot work again."""
    return _change(robot, actor, "robot.enabled", enabled=True)


@transaction.atomic
def disable_robot(robot: Robot, *, actor: Actor, reason: str = "") -> Robot:
    """Refuse a robot: its credentials are turned away until it is enabled again."""
    return _change(robot, actor, "robot.disabled", reason=reason, enabled=False)


@transaction.atomic
def drain_robot(robot: Robot, *, actor: Actor) -> Robot:
    """Let a robot finish what it runs and take nothing new."""
    return _change(robot, actor, "robot.drained", draining=True)


@transaction.atomic
def stop_draining(robot: Robot, *, actor: Actor) -> Robot:
    """Let a drained robot take work again."""
    return _change(robot, actor, "robot.undrained", draining=False)


@transaction.atomic
def start_maintenance(robot: Robot, *, actor: Actor, reason: str, until: datetime | None = None) -> Robot:
    """Take a robot out of work with a reason, until a moment or until somebody ends it."""
    rbac.require(actor, "robots.change_robot", robot)
    if not reason.strip():
        raise Invalid.field("reason", "say why, so that others know.")
    if until is not None and until <= timezone.now():
        raise Invalid.field("until", "choose a moment in the future, or none.")
    return _change(
        robot,
        actor,
        "robot.maintenance_started",
        reason=reason,
        maintenance=True,
        maintenance_reason=reason.strip(),
        maintenance_until=until,
    )


@transaction.atomic
def end_maintenance(robot: Robot, *, actor: Actor) -> Robot:
    """Let a robot take work again."""
    return _change(
        robot,
        actor,
        "robot.maintenance_ended",
        maintenance=False,
        maintenance_reason="",
        maintenance_until=None,
    )


@transaction.atomic
def clear_error(robot: Robot, *, actor: Actor) -> Robot:
    """Trust a robot again after somebody looked at why it was put aside."""
    return _change(robot, actor, "robot.error_cleared", error="", error_at=None)


@transaction.atomic
def flag_error(robot: Robot, *, actor: Actor, error: str) -> bool:
    """Put a robot aside: it keeps what it runs, takes nothing new, and shows why; says whether that is news.

    Why it was put aside first stays; only that its program was refused gives way to how it is refused now.
    """
    rbac.require(actor, "robots.report_robot", robot)
    gives_way = Q(error="") | (Q(error__startswith=REFUSED) & ~Q(error=error))
    is_news = Robot.objects.filter(gives_way, pk=robot.pk).update(error=error, error_at=Now()) > 0
    if is_news:
        audit.record(actor, "robot.failed", robot, reason=error)
        events.record("robot.error", robot, data={"error": error})
    return is_news


@transaction.atomic
def forgive_refusal(robot: Robot, *, actor: Actor) -> None:
    """Take back that a robot's program was refused: one that is not has come."""
    rbac.require(actor, "robots.report_robot", robot)
    if Robot.objects.filter(pk=robot.pk, error__startswith=REFUSED).update(error="", error_at=None):
        audit.record(actor, "robot.error_cleared", robot, reason="a program that is spoken with has come")
        events.record("robot.changed", robot, data={"action": "robot.error_cleared"})


def _change(robot: Robot, actor: Actor, action: str, *, reason: str = "", **changes: Any) -> Robot:
    rbac.require(actor, "robots.change_robot", robot)
    before = {name: getattr(robot, name) for name in changes}
    Robot.objects.filter(pk=robot.pk).update(**changes)
    robot.refresh_from_db()
    after = {name: getattr(robot, name) for name in changes}
    if before != after:
        _waking.call_robot(robot.pk)
        audit.record(actor, action, robot, before=before, after=after, reason=reason)
        events.record("robot.changed", robot, data={"action": action})
    return robot
