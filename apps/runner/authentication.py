"""Who a robot is: the token it sends with every call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now
from django.http import HttpRequest

from apps.core.actors import Actor
from apps.core.edge import trace
from apps.core.errors import NotAllowed, NotSignedIn
from apps.robots.models import Robot, RobotToken
from apps.tenancy.models import TenantStatus

USE_NOTED_EVERY = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Caller:
    """A robot that has proved itself."""

    robot: Robot
    actor: Actor


def token_of(request: HttpRequest) -> str:
    """Return the presented token. Raises ``NotSignedIn``."""
    token = request.headers.get("X-Robot-Token", "")
    if not token:
        raise NotSignedIn("Robot token missing", code="bad_token")
    return token


def caller_of(request: HttpRequest) -> Caller:
    """Return the robot whose token the request carries. Raises ``NotSignedIn``, ``NotAllowed``."""
    row = RobotToken.matching(token_of(request), "robot__machine", "robot__tenant")
    if row is None or row.robot.deleted_at is not None:
        raise NotSignedIn("Invalid robot token", code="bad_token")
    robot = row.robot
    actor = Actor.robot(robot.pk, robot.name, robot.tenant_id)
    trace.current().actor = actor
    if not robot.enabled:
        raise NotAllowed("This robot is disabled. Ask an operator to enable it.", code="robot_disabled")
    if robot.tenant.status != TenantStatus.ACTIVE:
        raise NotAllowed("This tenant is suspended.", code="tenant_suspended")
    stale = Q(last_used_at=None) | Q(last_used_at__lt=Now() - USE_NOTED_EVERY)
    RobotToken.objects.filter(stale, pk=row.pk).update(last_used_at=Now())
    return Caller(robot, actor)
