"""Robots whose program is too old or too new: turned away with a sentence, and shown to operators."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from apps.core.actors import Actor
from apps.core.errors import Conflict
from apps.events import services as events
from apps.rbac import services as rbac
from apps.robots import services as robots
from apps.robots.models import Robot, RobotSession
from apps.robots.rules import REFUSED
from apps.runner import rules


class NoCommonProtocol(Conflict):
    """The robot and this server speak no version in common; its code says which of the two is behind."""


@transaction.atomic
def turn_away(robot: Robot, *, actor: Actor, protocols: Sequence[int], program: str) -> NoCommonProtocol:
    """Note that a robot was refused for the versions it speaks, and return what to raise once that is stored.

    The robot shows why until a session of it opens, however often it tries again; only the first refusal is told of.
    One whose other process works at this moment is not put aside: what the other is told is in its own log.
    """
    rbac.require(actor, "robots.report_robot", robot)
    ours = rules.spoken()
    text = rules.refusal(protocols, ours, program)
    code = "robot_too_new" if rules.is_too_new(protocols, ours) else "robot_too_old"
    heard = Now() - timedelta(seconds=settings.SESSION_SILENCE)
    is_working = RobotSession.objects.filter(robot=robot, ended_at=None, last_seen_at__gt=heard).exists()
    if not is_working and robots.flag_error(robot, actor=actor, error=f"{REFUSED}{text}"):
        events.record("robot.refused", robot, data={"reason": code, "protocols": list(protocols), "version": program})
    return NoCommonProtocol(text, code=code)
