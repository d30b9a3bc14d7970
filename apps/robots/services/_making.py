"""What every robot is made of, whoever makes it: its row, its folders, its tokens."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from apps.audit import services as audit
from apps.core import tokens
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid
from apps.events import services as events
from apps.robots.models import Machine, Robot, RobotFolder, RobotToken
from apps.robots.rules import MOST_ROBOTS_ON_MACHINE, MOST_SLOTS
from apps.robots.services import _checks
from apps.tenancy import services as tenancy
from apps.tenancy.models import Folder, QuotaName

#: How long a token that was made by hand works, where the installation says nothing else.
TOKEN_LIFE = timedelta(days=90)


def new_robot(machine: Machine, *, name: str, folders: Iterable[Folder] = (), **fields: Any) -> Robot:
    """Make a robot on a machine. Raises ``Conflict``, ``Invalid``."""
    labels, slots = _checks.labels(fields.pop("labels", ())), checked_slots(fields.pop("slots", 1))
    robot = Robot(
        machine=machine, tenant_id=machine.tenant_id, name=_checks.name(name), labels=labels, slots=slots, **fields
    )
    tenancy.stay_within(machine.tenant_id, name=QuotaName.ROBOTS)
    _checks.save_named(robot)
    set_folders(robot, folders)
    return robot


class TooManyRobots(Conflict):
    """The machine has as many robots as may introduce themselves there; ``limit`` in the answer says how many."""

    code = "too_many_robots"


def introduced(machine: Machine, *, actor: Actor, name: str, is_ephemeral: bool, **fields: Any) -> Robot:
    """Return the robot of that name on a machine, made where there is none.

    Raises ``Invalid`` if it is on another machine, ``TooManyRobots``. The caller holds the machine or its key.
    """
    robot = Robot.objects.alive().filter(tenant_id=machine.tenant_id, name__iexact=_checks.name(name)).first()
    if robot is None:
        _refuse_crowd(machine)
        robot = new_robot(machine, name=name, is_ephemeral=is_ephemeral, **fields)
        audit.record(actor, "robot.registered", robot, after=facts(robot))
        events.record("robot.created", robot)
    if robot.machine_id != machine.pk:
        raise Invalid("Robot already bound to a different machine", code="robot_elsewhere")
    if robot.is_ephemeral != is_ephemeral:
        Robot.objects.filter(pk=robot.pk).update(is_ephemeral=is_ephemeral)
        robot.is_ephemeral = is_ephemeral
    return robot


def _refuse_crowd(machine: Machine) -> None:
    """Refuse more robots than a machine has use for: whoever has stolen a key makes no endless fleet with it."""
    if Robot.objects.alive().filter(machine=machine).count() >= MOST_ROBOTS_ON_MACHINE:
        raise TooManyRobots(
            f"“{machine.name}” has {MOST_ROBOTS_ON_MACHINE} robots, and no more may enrol there. Delete those that are "
            "not used any more.",
            limit=MOST_ROBOTS_ON_MACHINE,
        )


def set_folders(robot: Robot, folders: Iterable[Folder]) -> list[Folder]:
    """Let a robot work for ``folders``, or for the tenant's default one where there are none; returns those added.

    Raises ``Invalid``.
    """
    wanted = {folder.pk: folder for folder in folders}
    if not wanted:
        default = Folder.objects.get(tenant_id=robot.tenant_id, is_default=True, deleted_at=None)
        wanted = {default.pk: default}
    _checks.folders(wanted.values(), tenant_id=robot.tenant_id)
    RobotFolder.objects.filter(robot=robot).exclude(folder_id__in=wanted).delete()
    known = set(RobotFolder.objects.filter(robot=robot).values_list("folder_id", flat=True))
    RobotFolder.objects.bulk_create(
        [RobotFolder(tenant_id=robot.tenant_id, robot=robot, folder_id=pk) for pk in wanted], ignore_conflicts=True
    )
    return [folder for pk, folder in wanted.items() if pk not in known]


def own_token(robot: Robot) -> str:
    """Store a new token that follows from no key, and return its text."""
    plain = tokens.generate(RobotToken.KIND)
    expires_at = end_of_life() or timezone.now() + TOKEN_LIFE
    RobotToken.holding(plain, robot=robot, tenant_id=robot.tenant_id, expires_at=expires_at).save()
    return str(plain)


def derived_token(robot: Robot, *, actor: Actor, key: str) -> str:
    """Return the token that follows from an enrolment ``key``, storing its hash if it is new.

    It is the same until it is rotated or its life is over. The caller holds the key's row, so that two calls at once
    cannot both find it missing. What followed from another key works for the overlap of a rotation still.
    """
    plain = _derive(robot, key)
    known = RobotToken.objects.filter(public=plain.public).first()
    if known is not None and not known.is_live(timezone.now()):
        next_generation(robot)
        plain, known = _derive(robot, key), None
    if known is None:
        end_tokens(robot, is_derived=True)
        row = RobotToken.holding(plain, robot=robot, tenant_id=robot.tenant_id, is_derived=True)
        row.expires_at = end_of_life()
        row.save()
        audit.record(actor, "robot.token_issued", robot)
    return str(plain)


def next_generation(robot: Robot) -> None:
    """Let keys give a robot another token from now on."""
    Robot.objects.filter(pk=robot.pk).update(token_generation=F("token_generation") + 1)
    robot.refresh_from_db(fields=["token_generation"])


def end_tokens(robot: Robot, **which: Any) -> None:
    """Let a robot's tokens end once the overlap of a rotation is over; those that end sooner still do."""
    end = Now() + tokens.ROTATION_OVERLAP
    RobotToken.objects.filter(RobotToken.good_after(end), robot=robot, **which).update(revoked_at=end)


def end_of_life() -> datetime | None:
    """Return until when a token made now works, where the installation limits that (``ROBOT_TOKEN_DAYS``)."""
    days: int | None = settings.ROBOT_TOKEN_DAYS
    return None if days is None else timezone.now() + timedelta(days=days)


def checked_slots(slots: int) -> int:
    """Return a number of slots that can be. Raises ``Invalid``."""
    if not 1 <= slots <= MOST_SLOTS:
        raise Invalid.field("slots", f"a robot runs between 1 and {MOST_SLOTS} jobs at once.")
    return slots


def facts(robot: Robot) -> dict[str, Any]:
    """Return what the audit trail keeps of a robot."""
    return {
        "name": robot.name,
        "description": robot.description,
        "slots": robot.slots,
        "labels": robot.labels,
        "folders": sorted(robot.folders.values_list("name", flat=True)),
        "pushed_settings": robot.pushed_settings,
    }


def _derive(robot: Robot, key: str) -> tokens.PlainToken:
    """Return the token of a robot under a key. Our own secret is part of it.

    Whoever holds the key and knows a robot's id must still come here for its token, where networks, uses and the
    host's signature are asked about.
    """
    secret = f"{settings.TOKEN_PEPPER}:{key}"
    return tokens.derive(RobotToken.KIND, secret, f"robot:{robot.pk}:{robot.token_generation}")
