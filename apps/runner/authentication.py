"""Who calls: a robot, or a job that it runs, by the token that each call carries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models.functions import Now
from django.http import HttpRequest
from rest_framework.request import Request

from apps.accounts.authentication import ApiTokenAuthentication, SessionTokenAuthentication
from apps.audit import services as audit
from apps.core import statements, tokens
from apps.core.actors import Actor
from apps.core.edge import trace
from apps.core.errors import NotAllowed, NotFound, NotSignedIn
from apps.jobs.models import Execution, ExecutionStatus, JobToken
from apps.robots.models import Robot, RobotToken
from apps.tenancy.models import TenantStatus

USE_NOTED_EVERY = timedelta(minutes=5)

_ROBOT = """
    SELECT r.id, r.name, r.tenant_id, r.machine_id, r.enabled, n.status AS tenant_status,
        t.id AS token, t.digest, t.expires_at, t.revoked_at,
        extract(epoch FROM t.expires_at - statement_timestamp())::float AS expires_in,
        coalesce(t.last_used_at < statement_timestamp() - %(every)s::interval, true) AS use_is_old,
        t.last_used_at IS NULL AS is_first_use
    FROM robots_robottoken t
    JOIN robots_robot r ON r.id = t.robot_id AND r.deleted_at IS NULL
    JOIN tenancy_tenant n ON n.id = r.tenant_id
    WHERE t.public = %(public)s
"""
_EXECUTION = """
    SELECT e.id, e.tenant_id, e.folder_id, e.job_id, e.process_id, e.robot_id, e.session_id, e.lease_id, e.number,
        e.status, p.name AS process, r.enabled, n.status AS tenant_status, t.digest, t.revoked_at,
        t.expires_at AS token_ends
    FROM jobs_jobtoken t
    JOIN jobs_execution e ON e.id = t.execution_id
    JOIN processes_process p ON p.id = e.process_id
    JOIN robots_robot r ON r.id = e.robot_id
    JOIN tenancy_tenant n ON n.id = e.tenant_id
    WHERE t.public = %(public)s
"""


@dataclass(frozen=True, slots=True)
class Caller:
    """A robot that has proved itself."""

    robot: Robot
    actor: Actor
    #: In how many seconds its token ends by itself, if it does.
    token_expires_in: float | None = None


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks about executions: a running job, which has one of its own, or a robot, for those it was given.

    About items of queues whoever's program has an API key speaks as well.
    """

    actor: Actor
    own: Execution | None = None

    def execution(self, identity: UUID) -> Execution:
        """Return an execution to speak about. Raises ``NotFound`` alike for every one that is not the speaker's."""
        if self.own is not None:
            found = self.own if self.own.pk == identity else None
        else:
            found = Execution.objects.filter(robot_id=UUID(self.actor.id), pk=identity).first()
        if found is None:
            raise NotFound("There is no such execution here.", code="unknown")
        return found


@dataclass(frozen=True, slots=True)
class RunningJob(Speaker):
    """A running job that has proved itself. Its execution is read in part; the rest is read where it is asked for."""

    own: Execution


def token_of(request: HttpRequest) -> str:
    """Return the presented token of a robot. Raises ``NotSignedIn``, and ``NotAllowed`` for that of a job."""
    token = _presented(request)
    if _is_of_job(token):
        raise NotAllowed(
            "A job's own token is good for its log, its spans, whether it shall stop, its child jobs, items of "
            "queues and files. This call takes the robot's.",
            code="job_token",
        )
    return token


def caller_of(request: HttpRequest) -> Caller:
    """Return the robot whose token the request carries. Raises ``NotSignedIn``, ``NotAllowed``."""
    found = _robot_of(token_of(request))
    if found is None:
        raise NotSignedIn("Invalid robot token", code="bad_token")
    robot, facts = found
    actor = Actor.robot(robot.pk, robot.name, robot.tenant_id)
    _admit(actor, facts)
    audit.meet_address(actor, "robot.used_from_new_address", robot)
    if facts["use_is_old"]:
        _note_use(robot, facts)
    return Caller(robot, actor, facts["expires_in"])


def job_of(request: HttpRequest) -> RunningJob:
    """Return the running job whose own token the request carries, with one query.

    Raises ``NotSignedIn``, also once the execution has ended, and ``NotAllowed``, also for a robot's token.
    """
    token = _presented(request)
    if not _is_of_job(token):
        raise NotAllowed("This call takes the own token of a running job.", code="job_token_only")
    facts = _job_facts(token)
    if facts is None or facts["status"] != ExecutionStatus.RUNNING:
        raise NotSignedIn("Invalid job token: it is good only while its execution is running.", code="bad_token")
    execution = statements.part_of(Execution, facts)
    actor = Actor.job(execution.pk, f"{facts['process']} …{str(execution.job_id)[-8:]}", execution.tenant_id)
    _admit(actor, facts)
    return RunningJob(actor, execution)


def speaker_of(request: HttpRequest) -> Speaker:
    """Return who speaks about executions: a running job by its own token, or a robot. Raises as the two above."""
    if _is_of_job(_presented(request)):
        return job_of(request)
    return Speaker(caller_of(request).actor)


def worker_of(request: HttpRequest) -> Speaker:
    """Return who takes and adds items: a running job or a robot by its token, else whose API key signs the call."""
    return speaker_of(request) if "X-Robot-Token" in request.headers else Speaker(program_of(request))


def program_of(request: HttpRequest) -> Actor:
    """Return whose program calls, with a key or from a session. Raises ``NotSignedIn``, and as REST framework does."""
    ways = (SessionTokenAuthentication(), ApiTokenAuthentication())
    found = next((one for one in (way.authenticate(Request(request)) for way in ways) if one is not None), None)
    if found is None:
        raise NotSignedIn("Sign the call with an API key, or with the token of a robot or a running job.")
    trace.current().actor = found[1]
    return found[1]


def carries_job_token(request: HttpRequest) -> bool:
    """Say whether a request is signed with the own token of a job, good or not. Raises ``NotSignedIn`` without any."""
    return _is_of_job(_presented(request))


def _presented(request: HttpRequest) -> str:
    token = request.headers.get("X-Robot-Token", "")
    if not token:
        raise NotSignedIn("Robot token missing", code="bad_token")
    return token


def _is_of_job(token: str) -> bool:
    return token.startswith(f"bv{JobToken.KIND}_")


def _admit(actor: Actor, facts: dict[str, Any]) -> None:
    """Refuse who has proved itself where an operator has switched off its robot or its tenant."""
    trace.current().actor = actor
    if not facts["enabled"]:
        raise NotAllowed("This robot is disabled. Ask an operator to enable it.", code="robot_disabled")
    if facts["tenant_status"] != TenantStatus.ACTIVE:
        raise NotAllowed("This tenant is suspended.", code="tenant_suspended")


def _note_use(robot: Robot, facts: dict[str, Any]) -> None:
    """Remember that a token is in use; with the first use the one before it has only the overlap of a rotation left."""
    RobotToken.objects.filter(pk=facts["token"]).update(last_used_at=Now())
    if facts["is_first_use"]:
        end = Now() + tokens.ROTATION_OVERLAP
        former = RobotToken.objects.filter(robot=robot, revoked_at__gt=end).exclude(pk=facts["token"])
        former.update(revoked_at=end)


def _robot_of(text: str) -> tuple[Robot, dict[str, Any]] | None:
    """Return the robot whose live token this is, with what else matters about the two."""
    plain = tokens.parse(text)
    if plain is None or plain.kind != RobotToken.KIND:
        return None
    for row in statements.fetch_named(_ROBOT, {"public": plain.public, "every": USE_NOTED_EVERY}):
        token = RobotToken(digest=row["digest"], expires_at=row["expires_at"], revoked_at=row["revoked_at"])
        if token.accepts(plain):
            return statements.part_of(Robot, row), row
    return None


def _job_facts(text: str) -> dict[str, Any] | None:
    """Return what matters of the execution whose token this is, ended or not."""
    plain = tokens.parse(text)
    if plain is None or plain.kind != JobToken.KIND:
        return None
    for row in statements.fetch_named(_EXECUTION, {"public": plain.public}):
        token = JobToken(digest=row["digest"], expires_at=row["token_ends"], revoked_at=row["revoked_at"])
        if token.accepts(plain):
            return row
    return None
