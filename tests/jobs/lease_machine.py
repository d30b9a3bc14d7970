"""Two jobs, two robots, and anything that can happen to them, against the real services and the model beside them.

Each example runs in a savepoint and is taken back at its end. A savepoint in the middle plays the database that falls
back to an earlier commit: rows go, robots remember.
"""

from __future__ import annotations

import copy
import sys
import uuid
from datetime import timedelta
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from apps.core.errors import NotFound
from apps.jobs import services
from apps.jobs.models import Execution, Job, Plane
from apps.jobs.models.invariants import check_invariants
from apps.jobs.rules.reports import End
from apps.processes.models import Process
from apps.robots import services as robots
from apps.robots.models import Robot, RobotSession
from apps.runner import services as runner
from apps.runner.services import Presence, Renewal
from tests import make
from tests.jobs.lease_model import OPEN, Lease, Model

BOTH, SOME = st.integers(0, 1), st.integers(0, 3)
ENDED = {"completed", "failed", "cancelled"}
SECOND = timedelta(seconds=1)
#: How an operator ends a job: the operation, what is asked of a robot that runs it, and what the job is then.
ENDINGS: dict[str, tuple[Any, str, str | None]] = {
    "cancel": (services.cancel_job, "cancel", "cancelling"),
    "stop": (services.stop_job, "stop", None),
    "kill": (services.kill_job, "cancel", "cancelled"),
}


class Worker:
    """A robot's process: what it remembers, whatever the database says."""

    def __init__(self, robot: Robot, token: str) -> None:
        self.robot, self.token, self.actor = robot, token, make.acting(robot)
        self.secret, self.seq, self.held = "", 0, dict[uuid.UUID, Lease]()
        self.wishes: list[uuid.UUID] = []
        self.session: Any = None

    def open(self, *, proves_itself: bool = True, running: tuple[uuid.UUID, ...] = ()) -> dict[uuid.UUID, str]:
        newcomer = robots.Newcomer(
            instance_id=uuid.uuid4(),
            boot_id="boot",
            resume_secret=self.secret if proves_itself else "",
            capabilities={"executors": ["robot"], "legacy_scripts": True},
        )
        opened = runner.open_session(self.robot, actor=self.actor, newcomer=newcomer, running=running)
        self.session, self.secret, self.seq, self.wishes = opened.session, opened.resume_secret, 0, []
        return opened.leases

    def sync(self, *wishes: uuid.UUID) -> runner.Answered:
        self.seq += 1
        self.wishes += [wish for wish in wishes if wish not in self.wishes]
        leases = [Renewal(lease=lease) for lease in self.held]
        told = Presence(self.session.pk, self.seq, uuid.uuid4().hex, wishes=wishes, leases=leases)
        return runner.sync_robot(self.token, presence=told)


class LeaseMachine(RuleBasedStateMachine):
    """What robots, operators, time and faults do."""

    process: ClassVar[list[Process]] = []
    enrolled: ClassVar[list[tuple[Robot, str]]] = []
    may_fall_back: ClassVar[bool] = True

    @initialize()
    def begin(self) -> None:
        self.start_of_example = transaction.savepoint()
        self.jobs = [make.job(process).pk for process in self.process]
        self.model = Model(dict.fromkeys(self.jobs, "pending"))
        self.granted: list[Lease] = []
        self.workers = [Worker(robot, token) for robot, token in self.enrolled]
        for worker in self.workers:
            worker.open()
        self.seen_overdue: list[Execution] = []
        self.mark: tuple[str, Model, list[uuid.UUID], int] | None = None

    def teardown(self) -> None:
        if not hasattr(self, "start_of_example"):
            return
        try:
            if sys.exc_info()[0] is None:
                self.bring_to_an_end()
                assert [str(finding) for finding in check_invariants() if not finding.holds] == []
        finally:
            transaction.savepoint_rollback(self.start_of_example)

    # What robots do.

    @rule(robot=BOTH, begins=st.booleans(), is_flushed=st.booleans())
    def wish_for_work(self, robot: int, begins: bool, is_flushed: bool) -> None:
        if is_flushed or self.mark is None:  # What comes from here on is the tail that may be lost.
            self.mark = transaction.savepoint(), copy.deepcopy(self.model), self.jobs, len(self.granted)
        granted = self.syncs(self.workers[robot], uuid.uuid4())
        for lease in granted if begins else []:
            self.starts(lease)

    @rule(robot=BOTH, which=SOME)
    def wish_again(self, robot: int, which: int) -> None:
        worker = self.workers[robot]
        if worker.wishes:
            self.syncs(worker, worker.wishes[-1 - which % len(worker.wishes)])

    @precondition(lambda self: self.granted)
    @rule(which=SOME)
    def start(self, which: int) -> None:
        self.starts(self.granted[-1 - which % len(self.granted)])

    def starts(self, lease: Lease) -> None:
        worker, known = self.worker_of(lease), self.model.leases.get(lease.id)
        refused: list[type[Exception]] = []
        if known is None:
            refused = [NotFound]
        elif known.state != OPEN:
            refused = [services.LeaseOver]
        elif not known.has_begun and self.model.asked[known.job]:
            refused = [services.JobEnding]
        try:
            services.start_execution(services.find_lease(lease.id, actor=worker.actor), actor=worker.actor)
            told: list[type[Exception]] = []
        except (NotFound, services.LeaseOver, services.JobEnding) as refusal:
            told = [type(refusal)]
        assert told == refused
        if known is not None and not told:
            known.is_overdue, known.has_begun = known.is_overdue and known.has_begun, True

    @precondition(lambda self: self.model.open_of())
    @rule(which=BOTH, outcome=st.sampled_from([End.COMPLETED, End.FAILED, End.CANCELLED]))
    def finish(self, which: int, outcome: End) -> None:
        self.reports(self.model.open_of()[-which], outcome, 0)

    @precondition(lambda self: self.past())
    @rule(which=SOME, outcome=st.sampled_from([End.COMPLETED, End.FAILED]), end=BOTH)
    def report_what_is_past(self, which: int, outcome: End, end: int) -> None:
        past = self.past()
        self.reports(past[-1 - which % len(past)], outcome, end)

    def reports(self, lease: Lease, outcome: End, end: int) -> None:
        worker, digest = self.worker_of(lease), f"{outcome.value} {lease.id} {end}"
        known = self.model.leases.get(lease.id, lease)
        expected = self.model.answer_to_report(known, outcome.value, digest)
        told = services.Report(lease.job, lease.number, outcome, digest, result=digest)
        decision = services.finish_execution(worker.robot, actor=worker.actor, lease_id=lease.id, report=told)
        assert decision.answer.value == expected
        if expected == "accepted":
            self.model.close(known, outcome.value, self.status_of(lease.job), digest)
        if expected == "conflict":
            assert Robot.objects.get(pk=worker.robot.pk).error
            robots.clear_error(worker.robot, actor=make.SYSTEM)

    @precondition(lambda self: self.granted)
    @rule(which=SOME)
    def give_back(self, which: int) -> None:
        lease = self.granted[-1 - which % len(self.granted)]
        worker, known = self.worker_of(lease), self.model.leases.get(lease.id)
        try:
            services.release_execution(services.find_lease(lease.id, actor=worker.actor), actor=worker.actor)
        except (NotFound, services.LeaseOver):
            assert known is None or known.state not in (OPEN, "released")
            return
        assert known is not None
        if known.state == OPEN:
            self.model.close(known, "released", self.status_of(lease.job))

    @rule(robot=BOTH, proves_itself=st.booleans(), proves_its_children=st.booleans())
    def restart(self, robot: int, proves_itself: bool, proves_its_children: bool) -> None:
        worker = self.workers[robot]
        RobotSession.objects.filter(robot=worker.robot).update(created_at=F("created_at") - timedelta(hours=1))
        if not proves_itself:
            RobotSession.objects.filter(robot=worker.robot).update(last_seen_at=Now() - timedelta(minutes=1))
        self.reopen(worker, proves_itself=proves_itself, running=tuple(worker.held) if proves_its_children else ())
        if not proves_its_children:
            worker.held = {}

    # What operators do.

    @precondition(lambda self: self.model.open_of())
    @rule(job=BOTH, how=st.sampled_from(sorted(ENDINGS)))
    def end(self, job: int, how: str) -> None:
        key = self.jobs[job]
        running = self.model.open_of(job=key)
        operation, asked, then = ENDINGS[how]
        before = self.model.status[key]
        try:
            operation(Job.objects.get(pk=key), actor=make.SYSTEM)
        except services.JobEnded:
            assert before in ENDED
            return
        assert before not in ENDED
        assert then is None or not running or self.status_of(key) == then
        self.model.asked.setdefault(key, set()).add(asked)
        for lease in running if how == "kill" else []:
            self.model.close(lease, "revoked", self.status_of(key))
        if not running:
            self.model.status[key] = "cancelled"

    @precondition(lambda self: all(self.model.status[job] in ENDED for job in self.jobs))
    @rule()
    def ask_for_more(self) -> None:
        self.jobs = [make.job(process).pk for process in self.process]
        self.model.status |= dict.fromkeys(self.jobs, "pending")

    @precondition(lambda self: "waiting" in self.model.status.values())
    @rule()
    def resume(self) -> None:
        for job in [job for job, status in self.model.status.items() if status == "waiting"]:
            services.resume_job(Job.objects.get(pk=job), actor=make.SYSTEM)
            self.model.status[job] = "pending"

    # What time and faults do.

    @precondition(lambda self: self.model.open_of())
    @rule(which=BOTH)
    def run_out_as_a_sweep_looks(self, which: int) -> None:
        known = self.model.open_of()[-which]
        Execution.objects.filter(lease_id=known.id).update(expires_at=Now() - SECOND)
        known.is_overdue = True
        self.seen_overdue = list(Execution.objects.overdue())

    @precondition(lambda self: self.seen_overdue)
    @rule()
    def sweep_what_it_saw(self) -> None:
        for execution in self.seen_overdue:
            known = self.model.leases.get(execution.lease_id)
            if known is None:
                continue  # The database fell back meanwhile, and the sweep with it.
            is_due = known.state == OPEN and known.is_overdue
            assert services.sweep_execution(execution, actor=make.SYSTEM) is is_due
            if is_due:
                self.model.close(known, "lost", self.status_of(known.job))
        self.seen_overdue = []

    @precondition(lambda self: self.may_fall_back and self.mark and len(self.granted) > self.mark[3])
    @rule()
    def fall_back_to_an_earlier_commit(self) -> None:
        savepoint, self.model, self.jobs, _ = self.mark
        transaction.savepoint_rollback(savepoint)
        self.mark = None
        plane = Plane.objects.get()
        services.notice_tick(plane, actor=make.SYSTEM, epoch=plane.epoch, tick=plane.tick + 1)
        for worker in self.workers:
            current = RobotSession.objects.filter(robot=worker.robot, ended_at=None).get()
            if current.pk != worker.session.pk:
                RobotSession.objects.filter(pk=current.pk).update(last_seen_at=Now() - timedelta(minutes=1))
                self.reopen(worker, proves_itself=False, running=tuple(worker.held))

    # What must hold after each of these.

    @invariant()
    def rows_are_as_they_should_be(self) -> None:
        if not hasattr(self, "model"):
            return
        columns = ("pk", "status", "last_execution_no", "attempts_used", "max_attempts", "result")
        jobs = {row[0]: row[1:] for row in Job.objects.filter(pk__in=self.model.status).values_list(*columns)}
        tries = Execution.objects.filter(job__in=jobs).values_list("lease_id", "job_id", "status", "number")
        assert {lease: (job, status, number) for lease, job, status, number in tries} == {
            lease.id: (lease.job, lease.state, lease.number) for lease in self.model.leases.values()
        }
        for job, (status, last_number, used, most, result) in jobs.items():
            of_job = self.model.of_job(job)
            asked = "cancelling" if "cancel" in self.model.asked.get(job, ()) else OPEN
            assert status == (asked if self.model.open_of(job=job) else self.model.status[job])
            assert [lease.number for lease in of_job] == list(range(1, last_number + 1))
            assert used == len([lease for lease in of_job if lease.state != "released"]) <= most
            assert len(self.model.open_of(job=job)) <= 1
            assert (result == self.model.credited.get(job)) or status != "completed"

    # How.

    def past(self) -> list[Lease]:
        """The leases that some robot remembers and that are over, or that the database never heard of."""
        still_open = {lease.id for lease in self.model.open_of()}
        return [lease for lease in self.granted if lease.id not in still_open]

    def worker_of(self, lease: Lease) -> Worker:
        return next(worker for worker in self.workers if worker.robot.pk == lease.robot)

    def status_of(self, job: uuid.UUID) -> str:
        return str(Job.objects.values_list("status", flat=True).get(pk=job))

    def syncs(self, worker: Worker, wish: uuid.UUID) -> list[Lease]:
        """Let a robot renew and wish; what it is told must be what the model says, or a grant that the model allows."""
        known = [self.model.leases.get(lease.id, lease) for lease in worker.held.values()]
        expected = {str(lease.id): self.model.answer_to_renewal(lease) for lease in known}
        same_again = self.model.answer_to_wish(wish, worker.session.pk)
        was_granted = any(lease.wish == wish for lease in self.model.leases.values())
        answered = worker.sync(wish)
        assert answered.leases == expected
        for lease in known:
            lease.is_overdue = lease.is_overdue and lease.state != OPEN
        granted = [self.lease_of(execution, answers) for answers, execution in answered.grants.items()]
        if was_granted:
            assert [lease.id for lease in granted] == [same_again] * (same_again is not None), "one wish, two leases"
            return []
        for lease in granted:
            assert lease.id not in [earlier.id for earlier in self.granted]
            self.model.grant(lease)
            worker.held[lease.id] = copy.copy(lease)
            self.granted.append(worker.held[lease.id])
        return list(worker.held.values())[-1:] if granted else []

    def lease_of(self, execution: uuid.UUID, wish: uuid.UUID) -> Lease:
        row = Execution.objects.get(pk=execution)
        return Lease(row.lease_id, row.job_id, row.robot_id, row.session_id, wish, row.number)

    def reopen(self, worker: Worker, *, proves_itself: bool, running: tuple[uuid.UUID, ...]) -> None:
        before = self.model.open_of(robot=worker.robot.pk)
        answers = worker.open(proves_itself=proves_itself, running=running)
        for lease in before:
            if lease.id in running:
                lease.session, lease.is_overdue = worker.session.pk, False
            else:
                self.model.close(lease, "lost" if lease.has_begun else "released", self.status_of(lease.job))
        goes_on = {lease.id for lease in before if lease.id in running}
        assert answers == {lease: "continue" if lease in goes_on else "lost" for lease in running}

    def bring_to_an_end(self) -> None:
        """A good end can be reached from everywhere: what waits is resumed, what is held is done."""
        for _ in range(20):
            if set(self.model.status.values()) <= ENDED:
                return
            if "waiting" in self.model.status.values():
                self.resume()
            for number, worker in enumerate(self.workers):
                self.restart(number, proves_itself=False, proves_its_children=False)
                self.syncs(worker, uuid.uuid4())
                for lease in list(worker.held.values()):
                    self.reports(lease, End.COMPLETED, 0)
        raise AssertionError(f"no good end was reached: {self.model.status}")
