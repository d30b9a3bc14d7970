"""The end of an execution, as its robot reports it: the whole decision table."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.core import statements
from apps.core.actors import Actor
from apps.core.errors import NotFound
from apps.events import services as events
from apps.jobs.models import Execution, ExecutionStatus, Job, JobStatus, LateKind, LateResult, Plane
from apps.jobs.rules.reports import REPORTED, End, Verdict
from apps.jobs.services import _items, _settling
from apps.rbac import services as rbac
from apps.robots import services as robots
from apps.robots.models import Robot


class Answer(StrEnum):
    """What a robot is told. Everything but ``send_log`` is final."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    SEND_LOG = "send_log"
    CONFLICT = "conflict"
    LATE = "late"
    REVOKED = "revoked"
    UNKNOWN_LEASE = "unknown_lease"
    UNKNOWN_JOB = "unknown_job"


@dataclass(frozen=True, slots=True)
class Report:
    """How a robot says an execution ended."""

    job_id: UUID
    number: int
    outcome: End
    digest: str
    result: Any = None
    error: dict[str, Any] | None = None
    exit_code: int | None = None
    usage: dict[str, Any] | None = None
    log_length: int | None = None
    log_crc32: int | None = None
    effects: list[Any] = field(default_factory=list)

    @property
    def reason(self) -> str:
        """The reason code of a failure."""
        code = str((self.error or {}).get("code") or "application_error")
        return "" if self.outcome is not End.FAILED else code if code in REPORTED else "application_error"


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to a report, and from where the log is still owed."""

    answer: Answer
    adopted: bool = False
    offset: int = 0


@transaction.atomic
def finish_execution(robot: Robot, *, actor: Actor, lease_id: UUID, report: Report) -> Decision:
    """Take the report about a lease, exactly once. What cannot count is kept as a late result, never dropped.

    Raises ``NotFound`` where neither lease nor job are this robot's to know.
    """
    rbac.require(actor, "jobs.claim_job", robot)
    execution = _reported_on(robot, lease_id, report)
    if execution is None:
        return _without_lease(robot, lease_id, report)
    if execution.robot_id != robot.pk:
        raise _unknown()
    job = _settling.lock_job_of(execution)
    decision = _decide(job, execution, report)
    if decision.answer not in (Answer.ACCEPTED, Answer.DUPLICATE):
        _keep(robot, execution.lease_id, report, LateKind(decision.answer.value), job, execution)
        return decision
    return _owed_log(execution, report, decision)


def _reported_on(robot: Robot, lease_id: UUID, report: Report) -> Execution | None:
    """Return the execution a report is about. Only the lease says which: no other try ever has the same."""
    known = {"lease": lease_id, "tenant": robot.tenant_id}
    return statements.find(Execution, "WHERE t.lease_id = %(lease)s AND t.tenant_id = %(tenant)s", known)


def _decide(job: Job, execution: Execution, report: Report) -> Decision:
    if execution.status == ExecutionStatus.RUNNING:
        return _accept(job, execution, report)
    if execution.outcome:
        same = (execution.outcome, execution.result_digest) == (report.outcome.value, report.digest)
        return Decision(Answer.DUPLICATE, execution.status == ExecutionStatus.ADOPTED) if same else _conflict(execution)
    if execution.status == ExecutionStatus.LOST:
        return _adopt(job, execution, report) if _may_adopt(job, execution, report) else Decision(Answer.LATE)
    if execution.status == ExecutionStatus.REVOKED:
        return Decision(Answer.REVOKED)
    return Decision(Answer.LATE)


def _accept(job: Job, execution: Execution, report: Report) -> Decision:
    reason = "timeout" if execution.kill_asked_at and report.outcome is not End.COMPLETED else report.reason
    end = End.FAILED if reason == "timeout" else report.outcome
    outcome = _outcome(report)
    if not _settling.close(job, execution, end, reason=reason, outcome=outcome, result=report.result):
        return Decision(Answer.LATE)
    events.record("execution.finished", execution, data={"outcome": report.outcome.value, "reason": reason})
    return Decision(Answer.ACCEPTED)


def _may_adopt(job: Job, execution: Execution, report: Report) -> bool:
    """A late success counts while nobody began again and nobody decided otherwise."""
    untouched = job.status in (JobStatus.PENDING, JobStatus.WAITING)
    return report.outcome is End.COMPLETED and untouched and job.last_execution_no == execution.number


def _adopt(job: Job, execution: Execution, report: Report) -> Decision:
    execution.move_to(ExecutionStatus.ADOPTED, **_outcome(report))
    _settling.move(job, Verdict("completed", "adopted"), execution=execution, result=report.result)
    _items.adopt(job, execution)
    events.record("execution.adopted", execution, data={"outcome": report.outcome.value})
    return Decision(Answer.ACCEPTED, adopted=True)


def _outcome(report: Report) -> dict[str, Any]:
    return {
        "outcome": report.outcome.value,
        "result_digest": report.digest,
        "error": report.error,
        "exit_code": report.exit_code,
        "usage": report.usage,
        "log_final_length": report.log_length,
        "log_final_crc32": report.log_crc32,
    }


def _conflict(execution: Execution) -> Decision:
    """Two different ends of one lease: a robot's mistake, or a clone of its memory. Somebody must look."""
    events.record("execution.conflict", execution, data={"stored": execution.outcome})
    if not execution.session.is_classic:  # Those report by job and repeat what they please; nothing is wrong with them.
        error = "it reported two different ends of one lease"
        robots.flag_error(execution.robot, actor=Actor.system("reports"), error=error)
    return Decision(Answer.CONFLICT)


def _owed_log(execution: Execution, report: Report, decision: Decision) -> Decision:
    """Ask for what is missing of the log, as of when the execution was read: a piece that came since is known then."""
    there, owed = execution.log_length, report.log_length or 0
    if there < owed and not execution.log_truncated:
        return Decision(Answer.SEND_LOG, decision.adopted, there)
    return decision


def _without_lease(robot: Robot, lease_id: UUID, report: Report) -> Decision:
    """The lease is not in the database: another's, invented, or in the tail that a fail-over lost.

    Whether the database fell back may not be known yet, so a job of the robot's tenant is enough to keep the report.
    """
    if Execution.objects.filter(lease_id=lease_id).exists():
        raise _unknown()
    job = Job.objects.filter(pk=report.job_id, tenant_id=robot.tenant_id).first()
    if job is None and not Plane.epoch_changed_lately():
        raise _unknown()
    kind = LateKind.UNKNOWN_JOB if job is None else LateKind.UNKNOWN_LEASE
    _keep(robot, lease_id, report, kind, job, None)
    return Decision(Answer(kind.value))


def _keep(
    robot: Robot, lease_id: UUID, report: Report, kind: LateKind, job: Job | None, execution: Execution | None
) -> None:
    known = LateResult.objects.filter(lease_id=lease_id, digest=report.digest, kind=kind)
    if known.exists():
        return
    LateResult.objects.create(
        tenant_id=robot.tenant_id,
        lease_id=lease_id,
        job_id=job.pk if job else None,
        execution_id=execution.pk if execution else None,
        robot_id=robot.pk,
        kind=kind,
        outcome=report.outcome.value,
        digest=report.digest,
        payload={"result": report.result, "error": report.error, "exit_code": report.exit_code},
    )
    events.record("execution.late_result", execution or job or robot, data={"kind": kind.value})


def _unknown() -> NotFound:
    return NotFound("There is no such lease.", code="unknown")
