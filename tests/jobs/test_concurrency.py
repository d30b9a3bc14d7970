"""Many at once, with real connections: what holds for one at a time holds then too."""

from __future__ import annotations

import random
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from django.db import connection
from django.db.models import Max
from django.db.models.functions import Now

from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.api import database
from apps.core.errors import DomainError
from apps.jobs import services, tasks
from apps.jobs.models import BulkAction, BulkChange, Execution, ExecutionStatus, Job, JobStatus, LateResult, Plane
from apps.jobs.models.invariants import check_invariants
from apps.jobs.rules.reports import End
from apps.jobs.services import Wanted
from apps.robots import services as robots
from apps.robots.models import Robot, RobotSession
from apps.runner import services as runner
from tests import make
from tests.jobs.reports import fail, finish, report, run_out

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def robots_stay_online(settings):
    """However long a loaded machine takes."""
    settings.OFFLINE_AFTER = 3600


def at_once(*functions: Callable[[], Any]) -> list[Any]:
    """Call functions at the same moment, each on a connection of its own, and return their answers."""
    ready = threading.Barrier(len(functions))

    def call(function: Callable[[], Any]) -> Any:
        ready.wait(30)
        try:
            return function()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(functions)) as pool:
        return list(pool.map(call, functions))


def broken() -> list[str]:
    return [str(finding) for finding in check_invariants() if not finding.holds]


def sessions_of(tenant: Any, count: int, *, slots: int) -> list[RobotSession]:
    machine = make.machine(tenant)
    return [make.session(make.robot(machine, slots=slots)) for _ in range(count)]


def most_open_at_once(**of: Any) -> int:
    """How many of the executions named by ``of`` were open at the same time, from their own beginnings and ends."""
    spans = Execution.objects.filter(**of).values_list("granted_at", "finished_at")
    steps = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans if end])
    open_now = most = 0
    for _, step in steps:
        open_now += step
        most = max(most, open_now)
    return most


class Claimer:
    """A robot that takes what it is given, holds it for a while, and finishes it."""

    def __init__(self, session: RobotSession, slots: int, left: Callable[[], int], seed: int) -> None:
        self.session, self.slots, self.left = session, slots, left
        self.actor = make.acting(session.robot)
        self.chance = random.Random(seed)
        self.held: list[Execution] = []

    def __call__(self) -> int:
        finished = 0
        while self.left() or self.held:
            self.claim()
            for execution in list(self.held):
                if self.chance.random() < 0.6:
                    self.held.remove(execution)
                    finished += self.end(execution)
        return finished

    def claim(self) -> None:
        wishes = [uuid.uuid4() for _ in range(self.slots - len(self.held))]
        granted = services.claim_jobs(self.session, actor=self.actor, wishes=wishes)
        if granted:
            self.held += Execution.objects.select_related("robot").filter(pk__in=granted.values())
        elif not self.held:
            threading.Event().wait(self.chance.random() / 10)

    def end(self, execution: Execution) -> int:
        if self.chance.random() < 0.05:
            services.release_execution(execution, actor=self.actor)
            return 0
        assert finish(execution).answer == "accepted"
        return 1


def test_fifty_claimers_take_five_hundred_jobs_each_once_and_no_limit_is_exceeded():
    tenant = make.tenant()
    folder = make.folder(tenant)
    few = make.process(folder, concurrency_limit=7)
    by_customer = make.process(folder, limit_parameter="customer", limit_per_value=2)
    free = make.process(folder)
    services.create_jobs(few, actor=make.SYSTEM, wanted=[Wanted({})] * 150)
    customers = [Wanted({"customer": f"c{number % 5}"}) for number in range(150)]
    services.create_jobs(by_customer, actor=make.SYSTEM, wanted=customers)
    services.create_jobs(free, actor=make.SYSTEM, wanted=[Wanted({}, priority=number % 3) for number in range(200)])

    def left() -> int:
        return Job.objects.filter(status=JobStatus.PENDING).count()

    claimers = [Claimer(one, 3, left, seed) for seed, one in enumerate(sessions_of(tenant, 50, slots=3))]

    finished = at_once(*claimers)

    assert sum(finished) == 500
    assert Counter(Job.objects.values_list("status", flat=True)) == {"completed": 500}
    done = Execution.objects.filter(status=ExecutionStatus.COMPLETED)
    assert done.count() == done.values("job").distinct().count() == 500
    assert most_open_at_once(process=few) == 7
    assert max(most_open_at_once(process=by_customer, limit_value=f"c{number}") for number in range(5)) == 2
    assert max(most_open_at_once(robot=one.session.robot) for one in claimers) == 3
    assert broken() == []


def test_two_sweeps_at_once_close_each_lease_once():
    tenant = make.tenant()
    process = make.process(make.folder(tenant), max_attempts=3)
    services.create_jobs(process, actor=make.SYSTEM, wanted=[Wanted({})] * 60)
    for session in sessions_of(tenant, 3, slots=20):
        wishes = [uuid.uuid4() for _ in range(20)]
        services.claim_jobs(session, actor=make.acting(session.robot), wishes=wishes)
    Execution.objects.update(expires_at=Now(), started_at=Now())
    Plane.objects.update(ticked_at=Now(), gap_ended_at=None, frozen_until=None)

    closed = at_once(*[tasks.sweep_leases] * 4)
    closed.append(tasks.sweep_leases())  # What one found locked by another is found again.

    assert sum(closed) == 60
    assert Counter(Execution.objects.values_list("status", flat=True)) == {"lost": 60}
    assert broken() == []


def running_jobs(count: int, **fields: Any) -> list[Execution]:
    process = make.process(max_attempts=3, backoff_base=0, **fields)
    services.create_jobs(process, actor=make.SYSTEM, wanted=[Wanted({})] * count)
    begun = []
    for session in sessions_of(process.tenant, count, slots=1):
        actor = make.acting(session.robot)
        granted = services.claim_jobs(session, actor=actor, wishes=[uuid.uuid4()])
        execution = Execution.objects.select_related("robot", "job").get(pk__in=granted.values())
        begun.append(services.start_execution(execution, actor=actor))
    return begun


def storm(execution: Execution, seed: int) -> Iterable[Callable[[], Any]]:
    """Everything that can happen to a running job, in an order of chance."""
    job, robot = Job.objects.get(pk=execution.job_id), execution.robot
    session = RobotSession.objects.get(pk=execution.session_id)
    restart = robots.Newcomer(instance_id=uuid.uuid4())
    happenings: list[Callable[[], Any]] = [
        lambda: services.cancel_job(job, actor=make.SYSTEM),
        lambda: services.kill_job(Job.objects.get(pk=job.pk), actor=make.SYSTEM),
        lambda: services.stop_job(Job.objects.get(pk=job.pk), actor=make.SYSTEM),
        lambda: finish(execution),
        lambda: fail(execution),
        lambda: services.release_execution(Execution.objects.get(pk=execution.pk), actor=make.acting(robot)),
        lambda: services.sweep_execution(Execution.objects.get(pk=execution.pk), actor=make.SYSTEM),
        lambda: services.renew_leases(robot, actor=make.acting(robot)),
        lambda: runner.open_session(robot, actor=make.acting(robot), newcomer=restart),
        lambda: services.claim_jobs(session, actor=make.acting(robot), wishes=[uuid.uuid4()]),
    ]
    random.Random(seed).shuffle(happenings)
    return happenings


def test_whatever_happens_to_a_job_at_once_its_history_is_sound():
    executions = running_jobs(12)
    RobotSession.objects.update(last_seen_at="2020-01-01T00:00Z")
    Execution.objects.update(expires_at=Now())
    robots_seen_again = RobotSession.objects.all()

    def let_happen(seed: int, place: int) -> Callable[[], None]:
        def happen() -> None:
            for execution in executions[seed % 3 :] + executions[: seed % 3]:
                with suppress(DomainError):  # Two different ends of one lease meet a restart: doors repeat that, too.
                    database.retry_once_on_deadlock(list(storm(execution, seed=seed))[place])

        return happen

    at_once(*[let_happen(seed, place) for seed in range(2) for place in range(6)])
    robots_seen_again.update(last_seen_at=Now())

    assert broken() == []


@pytest.mark.parametrize("round_", range(3))
def test_of_a_cancel_a_result_and_a_sweep_one_ends_the_lease(round_):
    executions = running_jobs(8)
    for execution in executions:
        run_out(execution)

    def each(what: Callable[[Execution], Any]) -> Callable[[], None]:
        def do() -> None:
            for execution in executions:
                with suppress(services.JobEnded):
                    what(execution)

        return do

    at_once(
        each(lambda execution: services.cancel_job(Job.objects.get(pk=execution.job_id), actor=make.SYSTEM)),
        each(finish),
        each(lambda execution: services.sweep_execution(execution, actor=make.SYSTEM)),
        each(lambda execution: services.kill_job(Job.objects.get(pk=execution.job_id), actor=make.SYSTEM)),
    )

    assert broken() == []
    assert set(Job.objects.values_list("status", flat=True)) <= {"completed", "cancelled"}
    told = Execution.objects.exclude(outcome="").count() + LateResult.objects.count()
    assert told == len(executions)


def test_one_wish_asked_ten_times_at_once_is_granted_once():
    process = make.process()
    services.create_jobs(process, actor=make.SYSTEM, wanted=[Wanted({})] * 10)
    session = sessions_of(process.tenant, 1, slots=10)[0]
    wish = uuid.uuid4()

    granted = at_once(*[lambda: services.claim_jobs(session, actor=make.acting(session.robot), wishes=[wish])] * 10)

    assert len({execution for answer in granted for execution in answer.values()}) == 1
    assert Execution.objects.count() == 1


def test_one_report_sent_ten_times_at_once_is_accepted_once():
    (execution,) = running_jobs(1)
    told = report(execution, result=1)
    actor = make.acting(execution.robot)

    answers = at_once(
        *[lambda: services.finish_execution(execution.robot, actor=actor, lease_id=execution.lease_id, report=told)]
        * 10
    )

    assert Counter(answer.answer.value for answer in answers) == {"accepted": 1, "duplicate": 9}
    assert broken() == []


def test_two_ends_of_one_lease_at_once_leave_one_result_and_one_kept_aside():
    (execution,) = running_jobs(1)

    answers = at_once(lambda: finish(execution, result="one"), lambda: finish(execution, End.FAILED))

    assert Counter(answer.answer.value for answer in answers) == {"accepted": 1, "conflict": 1}
    assert broken() == []


def test_of_many_jobs_asked_for_under_one_key_one_is_made():
    process = make.process()

    def ask() -> str:
        try:
            return str(services.create_job(process, actor=make.SYSTEM, wanted=Wanted({}, dedupe_key="k")).pk)
        except services.DuplicateJob as refusal:
            return str(refusal.extra["job"])

    assert set(at_once(*[ask] * 10)) == {str(Job.objects.get().pk)}


def test_of_two_that_take_over_at_once_one_speaks_for_the_robot():
    robot = make.robot()
    make.session(robot)
    RobotSession.objects.update(last_seen_at="2020-01-01T00:00Z")

    def take_over() -> bool:
        newcomer = robots.Newcomer(instance_id=uuid.uuid4())
        try:
            return bool(runner.open_session(robot, actor=make.acting(robot), newcomer=newcomer))
        except robots.SessionInUse:
            return False

    assert Counter(at_once(*[take_over] * 6)) == {True: 1, False: 5}
    assert RobotSession.objects.filter(robot=robot, ended_at=None).count() == 1


def test_bulk_changes_worked_off_by_many_at_once_change_each_job_once(monkeypatch):
    monkeypatch.setattr("apps.core.bulk.BATCH", 10)
    process = make.process()
    services.create_jobs(process, actor=make.SYSTEM, wanted=[Wanted({})] * 100)
    boss = Actor.person(make.user(superuser=True))
    services.request_bulk_change(process.tenant, actor=boss, action=BulkAction.CANCEL, filters={"status": ["pending"]})

    at_once(*[tasks.work_off_bulk_changes] * 4)
    tasks.work_off_bulk_changes()

    change = BulkChange.objects.get()
    assert (change.status, change.done) == ("completed", 100)
    assert broken() == []


def test_cancelling_in_bulk_while_robots_claim_leaves_a_sound_history():
    process = make.process()
    services.create_jobs(process, actor=make.SYSTEM, wanted=[Wanted({})] * 200)
    boss = Actor.person(make.user(superuser=True))
    claimers = [
        Claimer(one, 2, lambda: Job.objects.filter(status=JobStatus.PENDING).count(), seed)
        for seed, one in enumerate(sessions_of(process.tenant, 6, slots=2))
    ]

    def cancel() -> None:
        services.request_bulk_change(
            process.tenant, actor=boss, action=BulkAction.CANCEL, filters={"process": [str(process.pk)]}
        )
        tasks.work_off_bulk_changes()

    at_once(*claimers, cancel)

    assert set(Job.objects.values_list("status", flat=True)) <= {"completed", "cancelled"}
    assert broken() == []


def test_the_tick_is_advanced_once_in_each_period():
    Plane.objects.update(tick=1, ticked_at="2020-01-01T00:00Z")

    answers = at_once(*[services.advance_tick] * 8)

    assert [answer for answer in answers if answer] == [(2, Plane.objects.get().epoch)]
    assert Plane.objects.aggregate(Max("tick")) == {"tick__max": 2}


def test_a_robot_put_aside_at_once_by_many_is_told_of_once():
    robot = make.robot()

    at_once(*[lambda: robots.flag_error(robot, actor=make.SYSTEM, error="cloned")] * 6)

    assert Robot.objects.get(pk=robot.pk).error == "cloned"
    assert AuditEntry.objects.about(robot).filter(action="robot.failed").count() == 1
