"""Tokens of robots: those that follow from an enrolment key, and those that take their place."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from apps.audit import services as audit
from apps.core import tokens
from apps.core.actors import Actor
from apps.core.errors import Conflict, NotSignedIn
from apps.rbac import services as rbac
from apps.robots.models import Machine, Robot, RobotToken
from apps.robots.services import _checks, _making

#: How long a robot's old token works while the one it took in its place was never used.
UNUSED_OVERLAP = timedelta(days=7)


class TokenRotated(Conflict):
    """The token works on for the overlap of a rotation only, and gives no other."""

    code = "token_rotated"


@transaction.atomic
def register_robot(
    machine: Machine, *, actor: Actor, key: str, name: str, is_ephemeral: bool = False
) -> tuple[Robot, str]:
    """Let a robot introduce itself with its machine's ``key``; the same name gives the same robot and token.

    Raises ``NotSignedIn`` where the key is not the machine's, ``Invalid`` where the name belongs to a robot of another
    machine.
    """
    name = _checks.name(name)
    _checks.hold_by_key(machine, key)
    robot = _making.introduced(machine, actor=actor, name=name, is_ephemeral=is_ephemeral)
    return robot, _making.derived_token(robot, actor=actor, key=key)


@transaction.atomic
def renew_derived_token(robot: Robot, *, actor: Actor, key: str) -> str:
    """Return the token that follows from the machine's key, storing its hash if it is new.

    It is the same until the key is regenerated, the token rotated or its life over. Raises ``NotSignedIn``.
    """
    _checks.hold_by_key(robot.machine, key)
    return _making.derived_token(robot, actor=actor, key=key)


@transaction.atomic
def rotate_token(robot: Robot, *, actor: Actor) -> str:
    """Give a robot a new token and return its text this once; the old ones work ten minutes longer.

    A token that came from a key ends as well; the key gives another one from now on.
    """
    rbac.require(actor, "robots.rotate_robot", robot)
    _making.next_generation(robot)
    _making.end_tokens(robot)
    token = _making.own_token(robot)
    audit.record(actor, "robot.token_rotated", robot)
    return token


@transaction.atomic
def rotate_own_token(robot: Robot, *, actor: Actor, token: str) -> tuple[str, int | None]:
    """Let a robot replace the ``token`` it speaks with; returns the new text and its life in seconds, if it has one.

    The old one works until ten minutes after the new one was first used, a week at most, and gives the same answer
    again: a robot that dies before it has stored the new one is not locked out. The new one ends with the machine's key
    if the old one came from it. Raises ``NotSignedIn``, and ``TokenRotated`` where somebody else has rotated it:
    whoever stole a token cannot save it from that.
    """
    rbac.require(actor, "robots.report_robot", robot)
    _checks.lock(robot)  # So that the same call twice at once finds what the first has stored.
    old = RobotToken.matching(token)
    if old is None or old.robot_id != robot.pk:
        raise NotSignedIn("Invalid robot token", code="bad_token")
    plain = tokens.derive(RobotToken.KIND, settings.TOKEN_PEPPER, f"rotated:{token}")
    new = RobotToken.matching(str(plain))
    if new is None:
        if old.revoked_at is not None:
            raise TokenRotated("This token was rotated by an operator. Give the robot the new one, or enrol it again.")
        new = _successor(old, plain)
        audit.record(actor, "robot.token_rotated", robot, reason="by the robot itself")
    return str(plain), new.seconds_left(timezone.now())


def _successor(old: RobotToken, plain: tokens.PlainToken) -> RobotToken:
    robot = old.robot
    _making.next_generation(robot)
    _making.end_tokens(robot)
    RobotToken.objects.filter(pk=old.pk).update(revoked_at=Now() + UNUSED_OVERLAP)
    new = RobotToken.holding(plain, robot=robot, tenant_id=robot.tenant_id, is_derived=old.is_derived)
    new.expires_at = _making.end_of_life() or (old.expires_at and timezone.now() + _making.TOKEN_LIFE)
    new.save()
    return new
