"""Sessions: which process speaks for a robot, and what happens when a second one says it does."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.db import transaction
from django.db.models import DurationField, Exists, ExpressionWrapper, F, OuterRef
from django.db.models.functions import Now

from apps.core import ids
from apps.core.actors import Actor
from apps.core.errors import Conflict
from apps.events import services as events
from apps.rbac import services as rbac
from apps.robots import rules
from apps.robots.models import Robot, RobotSession
from apps.robots.services.robots import flag_error

#: So many take-overs within this time mean that two machines share one identity.
TAKE_OVERS, TAKE_OVER_WINDOW = 3, timedelta(minutes=10)
SESSIONS_KEPT = timedelta(days=30)


class SessionInUse(Conflict):
    """Another process holds the identity and spoke a moment ago; ``retry_after`` is in seconds."""

    code = "session_in_use"


@dataclass(frozen=True, slots=True)
class Newcomer:
    """What a robot's process says of itself when it opens a session."""

    instance_id: UUID
    boot_id: str = ""
    resume_secret: str = ""
    agent: dict[str, Any] = field(default_factory=dict)
    capabilities: dict[str, Any] = field(default_factory=dict)
    is_classic: bool = False
    #: The versions of the robot API that it speaks.
    protocols: tuple[int, ...] = (1,)


@transaction.atomic
def start_session(robot: Robot, *, actor: Actor, newcomer: Newcomer) -> tuple[RobotSession, str, list[UUID]]:
    """Open a session, ending the one before it where that is right.

    Returns the session, its resume secret, and the ids of the sessions that ended; the caller closes what those held.
    Raises ``SessionInUse`` while another process is alive. Once take-overs bunch, the robot is put aside: it keeps what
    it runs and gets nothing new until an operator has looked.
    """
    rbac.require(actor, "robots.report_robot", robot)
    Robot.objects.select_for_update(no_key=True).get(pk=robot.pk)
    current = _current_session(robot)
    if current is not None and current.instance_id == newcomer.instance_id:
        return _repeat(current, newcomer)
    if current is not None and not _may_take_over(current, newcomer):
        _refuse_while_alive(current)
    ended = _end(current, "superseded") if current is not None else []
    session, secret = _begin(robot, newcomer, took_over=_comes_from_elsewhere(newcomer, current))
    if _take_overs_bunch(robot):
        flag_error(robot, actor=actor, error="two machines share one identity")
    events.record("robot.session_opened", robot, data={"session": str(session.pk)})
    return session, secret, ended


@transaction.atomic
def end_session(session: RobotSession, *, actor: Actor, reason: str) -> list[UUID]:
    """End one session and return its id if it was current; the caller closes what it held."""
    rbac.require(actor, "robots.report_robot", session.robot)
    ended = _end(session, reason)
    if ended:
        events.record("robot.session_ended", session.robot, data={"reason": reason})
    return ended


@transaction.atomic
def end_sessions_of_machine(machine: Any, *, actor: Actor, reason: str) -> list[UUID]:
    """End the current sessions of every robot of a machine and return their ids."""
    rbac.require(actor, "robots.enrol_machine", machine)
    current = RobotSession.objects.select_for_update().filter(robot__machine=machine, ended_at=None).order_by("pk")
    ended = [identity for session in current for identity in _end(session, reason)]
    events.record("machine.sessions_ended", machine, data={"reason": reason, "sessions": len(ended)})
    return ended


@transaction.atomic
def forget_old_sessions(before: timedelta = SESSIONS_KEPT, *, actor: Actor, limit: int = 1000) -> int:
    """Delete sessions that ended long ago and that no execution names; returns how many."""
    rbac.require(actor, "robots.delete_robot", rbac.EVERYWHERE)
    executions = apps.get_model("jobs", "Execution")._base_manager
    named = Exists(executions.filter(session_id=OuterRef("pk")))
    old = RobotSession.objects.filter(~named, ended_at__lt=Now() - before)
    deleted, _ = RobotSession.objects.filter(pk__in=old.values("pk")[:limit]).delete()
    return deleted


def _begin(robot: Robot, newcomer: Newcomer, *, took_over: bool) -> tuple[RobotSession, str]:
    identity = ids.uuid7()
    secret = _resume_secret(identity, newcomer)
    session = RobotSession.objects.create(
        id=identity,
        robot=robot,
        tenant_id=robot.tenant_id,
        instance_id=newcomer.instance_id,
        boot_id=newcomer.boot_id,
        resume_digest=_digest(secret),
        agent=newcomer.agent if newcomer.is_classic else {**newcomer.agent, "protocols": list(newcomer.protocols)},
        version=rules.version_numbers(str(newcomer.agent.get("version", ""))),
        capabilities=newcomer.capabilities,
        executors=newcomer.capabilities.get("executors", ["robot"]),
        legacy_scripts=bool(newcomer.capabilities.get("legacy_scripts", newcomer.is_classic)),
        is_classic=newcomer.is_classic,
        took_over=took_over,
    )
    session.refresh_from_db()
    return session, secret


def _repeat(current: RobotSession, newcomer: Newcomer) -> tuple[RobotSession, str, list[UUID]]:
    """Answer the same process again after a lost reply: the same session and secret. It counts its syncs anew."""
    secret = _resume_secret(current.pk, newcomer)
    RobotSession.objects.filter(pk=current.pk).update(
        resume_digest=_digest(secret), last_seen_at=Now(), seq=0, body_digest=""
    )
    return current, secret, []


def _resume_secret(session_id: UUID, newcomer: Newcomer) -> str:
    """Return the secret of one process's session: derived, so that the same opening gives the same answer."""
    purpose = f"resume:{session_id}:{newcomer.instance_id}"
    return hmac.new(settings.TOKEN_PEPPER.encode(), purpose.encode(), hashlib.sha256).hexdigest()


def _may_take_over(current: RobotSession, newcomer: Newcomer) -> bool:
    """A plain restart on the same boot proves itself by the secret in its spool; older runners have none."""
    if newcomer.is_classic and current.is_classic:
        return True
    same_secret = hmac.compare_digest(current.resume_digest, _digest(newcomer.resume_secret))
    return same_secret and current.boot_id == newcomer.boot_id


def _comes_from_elsewhere(newcomer: Newcomer, current: RobotSession | None) -> bool:
    """Say whether another boot held the identity. A process that starts again on its own boot is no take-over."""
    return bool(current and current.boot_id and newcomer.boot_id and current.boot_id != newcomer.boot_id)


def _current_session(robot: Robot) -> RobotSession | None:
    """Return the robot's session, locked, with ``silent_for`` measured by the database's clock."""
    current = RobotSession.objects.select_for_update().filter(robot=robot, ended_at=None)
    silent_for = ExpressionWrapper(Now() - F("last_seen_at"), output_field=DurationField())
    return current.annotate(silent_for=silent_for).first()


def _refuse_while_alive(current: Any) -> None:
    if not _is_silent(current):
        silence = current.silent_for.total_seconds()
        raise SessionInUse(
            f"Another process holds this identity and was heard {silence:.0f} s ago.",
            retry_after=max(1, round(settings.SESSION_SILENCE - silence)),
        )


def _is_silent(current: Any) -> bool:
    return bool(current.silent_for.total_seconds() >= settings.SESSION_SILENCE)


def _take_overs_bunch(robot: Robot) -> bool:
    recent = RobotSession.objects.filter(robot=robot, took_over=True, created_at__gt=Now() - TAKE_OVER_WINDOW)
    return recent.count() >= TAKE_OVERS


def _end(session: RobotSession, reason: str) -> list[UUID]:
    current = RobotSession.objects.filter(pk=session.pk, ended_at=None)
    return [session.pk] if current.update(ended_at=Now(), end_reason=reason, waits_until=None) else []


def _digest(secret: str) -> str:
    return hmac.new(settings.TOKEN_PEPPER.encode(), secret.encode(), hashlib.sha256).hexdigest()
