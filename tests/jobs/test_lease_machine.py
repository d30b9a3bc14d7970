"""The leases hold whatever happens; and a machine that could not tell would be no proof, so it is shown mistakes."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import transaction
from django.db.models.functions import Now
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from apps.core.actors import Actor
from apps.jobs import services
from apps.jobs.models import Execution, ExecutionStatus, Job, JobStatus
from apps.jobs.services import Decision, Report, claiming, finishing
from apps.robots.models import Robot
from tests import make
from tests.jobs.lease_machine import LeaseMachine

pytestmark = pytest.mark.django_db

PLAIN = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
    report_multiple_bugs=False,
    stateful_step_count=40,
)
EXAMPLES = 60
MOST_EXAMPLES_FOR_A_MISTAKE = 200


@pytest.fixture(autouse=True)
def world(monkeypatch):
    """A process that tries again, one that waits for a person, and two robots."""
    folder = make.folder()
    retry = make.process(folder, script_path="a.py", max_attempts=3, backoff_base=0)
    hold = make.process(folder, script_path="a.py", max_attempts=2, backoff_base=0, on_lost="hold")
    monkeypatch.setattr(LeaseMachine, "process", [retry, hold])
    monkeypatch.setattr(LeaseMachine, "enrolled", [make.robot_with_token(of=folder.tenant, slots=2) for _ in range(2)])


def explore(examples: int) -> None:
    run_state_machine_as_test(LeaseMachine, settings=settings(PLAIN, max_examples=examples))


def test_the_leases_hold_whatever_happens():
    explore(EXAMPLES)


def by_job_only(robot: Robot, lease_id: uuid.UUID, report: Report) -> Execution | None:
    """Which execution a report is about: the newest of its job, as where the job's id is the only handle."""
    newest = Execution.objects.filter(job_id=report.job_id).order_by("-number").first()
    if newest is not None:
        newest.robot_id = robot.pk
    return newest


def by_number(robot: Robot, lease_id: uuid.UUID, report: Report) -> Execution | None:
    """Which execution a report is about: the job's try of that number, which a database that fell back gives twice."""
    return Execution.objects.filter(job_id=report.job_id, number=report.number, robot=robot).first()


def while_the_job_runs(job: Job, execution: Execution, report: Report) -> Decision:
    """Whether a report counts: as long as its job runs, whoever runs it now."""
    if job.status in (JobStatus.RUNNING, JobStatus.CANCELLING):
        return finishing._accept(job, Execution.objects.open().get(job=job), report)
    return decide(job, execution, report)


decide = finishing._decide


@transaction.atomic
def sweep_from_a_snapshot(execution: Execution, *, actor: Actor) -> bool:
    """Close what was overdue when the sweep looked, whatever has come since."""
    Execution.objects.filter(pk=execution.pk).update(status=ExecutionStatus.LOST, finished_at=Now())
    Job.objects.filter(pk=execution.job_id).update(status=JobStatus.PENDING, finished_at=None, available_at=Now())
    return True


def grant_every_time(session: Any, candidates: Any, wishes: list[uuid.UUID]) -> dict[uuid.UUID, uuid.UUID]:
    """Forget which wish a lease answers."""
    granted = grant(session, candidates, [uuid.uuid4() for _ in wishes])
    return dict(zip(wishes, granted.values(), strict=False))


grant = claiming._grant

MISTAKES = {
    "a report is known by its job only": (finishing, "_reported_on", by_job_only),
    "a report counts while its job runs": (finishing, "_decide", while_the_job_runs),
    "the number of the try is the fence": (finishing, "_reported_on", by_number),
    "the sweep trusts what it saw": (services, "sweep_execution", sweep_from_a_snapshot),
    "a claim carries no request id": (claiming, "_grant", grant_every_time),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_found(monkeypatch, mistake):
    monkeypatch.setattr(*mistake)

    with pytest.raises(AssertionError):
        explore(MOST_EXAMPLES_FOR_A_MISTAKE)


def test_without_fall_backs_the_number_of_the_try_would_do(monkeypatch):
    """The one mistake that only a restored database shows: so it is that rule which finds it."""
    monkeypatch.setattr(finishing, "_reported_on", by_number)
    monkeypatch.setattr(LeaseMachine, "may_fall_back", False)

    explore(EXAMPLES // 4)
