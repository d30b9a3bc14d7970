"""Who a robot is: the token it sends with every call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now
from django.http import HttpRequest

from apps.core import statements, tokens
from apps.core.actors import Actor
from apps.core.edge import trace
from apps.core.errors import NotAllowed, NotSignedIn
from apps.robots.models import Robot, RobotToken
from apps.tenancy.models import TenantStatus

USE_NOTED_EVERY = timedelta(minutes=5)

_HOLDER = """
    SELECT r.id, r.name, r.tenant_id, r.machine_id, r.enabled, n.status AS tenant_status,
        t.id AS token, t.digest, t.expires_at, t.revoked_at,
        coalesce(t.last_used_at < statement_timestamp() - %(every)s::interval, true) AS use_is_old
    FROM robots_robottoken t
    JOIN robots_robot r ON r.id = t.robot_id AND r.deleted_at IS NULL
    JOIN tenancy_tenant n ON n.id = r.tenant_id
    WHERE t.public = %(public)s
"""


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
    found = _holder_of(token_of(request))
    if found is None:
        raise NotSignedIn("Invalid robot token", code="bad_token")
    robot, facts = found
    actor = Actor.robot(robot.pk, robot.name, robot.tenant_id)
    trace.current().actor = actor
    if not robot.enabled:
        raise NotAllowed("This robot is disabled. Ask an operator to enable it.", code="robot_disabled")
    if facts["tenant_status"] != TenantStatus.ACTIVE:
        raise NotAllowed("This tenant is suspended.", code="tenant_suspended")
    if facts["use_is_old"]:
        RobotToken.objects.filter(pk=facts["token"]).update(last_used_at=Now())
    return Caller(robot, actor)


def _holder_of(text: str) -> tuple[Robot, dict[str, Any]] | None:
    """Return the robot whose live token this is, with what else matters about the two."""
    plain = tokens.parse(text)
    if plain is None or plain.kind != RobotToken.KIND:
        return None
    for row in statements.fetch_named(_HOLDER, {"public": plain.public, "every": USE_NOTED_EVERY}):
        token = RobotToken(digest=row["digest"], expires_at=row["expires_at"], revoked_at=row["revoked_at"])
        if token.accepts(plain):
            return statements.part_of(Robot, row), row
    return None
