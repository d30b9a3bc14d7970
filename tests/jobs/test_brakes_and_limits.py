"""What holds jobs back beside robots and their own process: brakes, and what processes share."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from apps.assets import services as assets
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed
from apps.jobs import services
from apps.jobs.models import Execution, why
from apps.processes import services as processes
from apps.rbac import services as rbac
from apps.tenancy import services as tenancy
from apps.tenancy.models import Brake
from tests import make
from tests.make import SYSTEM

pytestmark = pytest.mark.django_db


def claim(session, count=1):
    wishes = [uuid.uuid4() for _ in range(count)]
    return len(services.claim_jobs(session, actor=make.acting(session.robot), wishes=wishes))


def worker(tenant, slots=10):
    return make.session(make.robot(of=tenant, slots=slots))


class TestBrakes:
    @pytest.fixture
    def job(self):
        return make.job()

    def place(self, job, kind):
        return {"everything": rbac.EVERYWHERE, "tenant": job.tenant, "folder": job.folder}[kind]

    @pytest.mark.parametrize("kind", ["everything", "tenant", "folder"])
    def test_while_it_is_on_no_job_is_given_out_and_why_says_so(self, job, kind):
        session = worker(job.tenant)
        brake = tenancy.set_brake(self.place(job, kind), actor=SYSTEM, reason="the bank is down")

        assert claim(session) == 0
        assert "the bank is down" in why.why_job(job).summary
        tenancy.lift_brake(brake, actor=SYSTEM)
        assert claim(session) == 1

    def test_on_a_folder_it_reaches_down_and_not_beside(self, job):
        below = tenancy.create_folder(job.folder, actor=SYSTEM, name="Below")
        beside = tenancy.create_folder(job.tenant, actor=SYSTEM, name="Beside")
        process_below, process_beside = make.process(below), make.process(beside)
        robot = make.robot(of=job.tenant, slots=10, folders=[below, beside])
        held, free = make.job(process_below), make.job(process_beside)
        tenancy.set_brake(job.folder, actor=SYSTEM, reason="audit")

        assert claim(make.session(robot), 3) == 1
        assert Execution.objects.get(job=free)
        assert not Execution.objects.filter(job=held).exists()

    def test_on_another_tenant_it_holds_nothing_here(self, job):
        tenancy.set_brake(make.tenant(), actor=SYSTEM, reason="theirs")

        assert claim(worker(job.tenant)) == 1

    def test_one_that_holds_triggers_only_lets_jobs_go(self, job):
        tenancy.set_brake(job.tenant, actor=SYSTEM, reason="no new work", holds_dispatch=False)

        assert claim(worker(job.tenant)) == 1

    def test_it_ends_by_itself(self, job):
        brake = tenancy.set_brake(job.tenant, actor=SYSTEM, reason="x", until=timezone.now() + timedelta(hours=1))
        session = worker(job.tenant)
        assert claim(session) == 0

        Brake.objects.filter(pk=brake.pk).update(until=Now() - timedelta(seconds=1))

        assert claim(session) == 1

    def test_a_robot_says_that_it_is_idle_for_the_brake(self, job):
        session = worker(job.tenant)
        tenancy.set_brake(job.tenant, actor=SYSTEM, reason="the bank is down")

        assert "the bank is down" in why.why_robot(session.robot).summary

    @pytest.mark.parametrize(
        ("asked", "field"),
        [
            ({"reason": "  "}, "reason"),
            ({"reason": "x" * 301}, "reason"),
            ({"reason": "x", "until": timezone.now() - timedelta(seconds=1)}, "until"),
            ({"reason": "x", "holds_dispatch": False, "holds_triggers": False}, "holds_dispatch"),
        ],
    )
    def test_what_makes_no_brake_is_refused(self, asked, field):
        with pytest.raises(Invalid) as refused:
            tenancy.set_brake(make.tenant(), actor=SYSTEM, **asked)

        assert [problem.field for problem in refused.value.problems] == [field]

    def test_on_a_folder_of_others_it_is_not_told_and_on_one_above_it_is(self):
        tenant = make.tenant()
        above = tenancy.create_folder(tenant, actor=SYSTEM, name="Above")
        own, others = (tenancy.create_folder(above, actor=SYSTEM, name=name) for name in ("Own", "Others"))
        actor = Actor.person(make.user("tenancy.view_folder", inside=own))
        set_on = {place: tenancy.set_brake(place, actor=SYSTEM, reason="x") for place in (tenant, above, own, others)}

        seen = set(Brake.objects.visible_to(actor).filter(tenant=tenant))

        assert seen == {set_on[tenant], set_on[above], set_on[own]}

    def test_who_may_in_one_tenant_may_not_everywhere(self):
        tenant = make.tenant()
        actor = Actor.person(make.user("tenancy.add_brake", "tenancy.lift_brake", inside=tenant))

        brake = tenancy.set_brake(tenant, actor=actor, reason="x")

        assert tenancy.lift_brake(brake, actor=actor).lifted_by == actor.name
        with pytest.raises(NotAllowed):
            tenancy.set_brake(rbac.EVERYWHERE, actor=actor, reason="x")
        with pytest.raises(NotAllowed):
            tenancy.lift_brake(tenancy.set_brake(rbac.EVERYWHERE, actor=SYSTEM, reason="x"), actor=actor)


class TestSharedLimits:
    def test_processes_that_share_one_run_no_more_at_once_than_it_bears(self):
        folder = make.folder()
        first, second = make.process(folder), make.process(folder)
        processes.create_limit(folder, actor=SYSTEM, name="SAP", capacity=3, units={first: 1, second: 2})
        jobs = [make.job(first), make.job(second), make.job(first), make.job(second)]
        session = worker(folder.tenant)

        assert claim(session, 4) == 2
        assert "SAP" in why.why_job(jobs[-1]).summary
        services.release_execution(
            Execution.objects.open().get(job=jobs[1]), actor=make.acting(session.robot), reason="x"
        )
        assert claim(session, 4) == 1

    def test_one_call_never_takes_more_than_is_left(self):
        folder = make.folder()
        process = make.process(folder)
        processes.create_limit(folder, actor=SYSTEM, name="SAP", capacity=2, units={process: 1})
        for _ in range(5):
            make.job(process)

        assert claim(worker(folder.tenant), 5) == 2

    def test_a_limit_that_is_gone_holds_nothing(self):
        folder = make.folder()
        process = make.process(folder)
        limit = processes.create_limit(folder, actor=SYSTEM, name="SAP", capacity=1, units={process: 1})
        make.job(process), make.job(process)
        processes.delete_limit(limit, actor=SYSTEM)

        assert claim(worker(folder.tenant), 2) == 2

    def test_who_uses_how_much_is_changed_as_a_whole(self):
        folder = make.folder()
        first, second = make.process(folder), make.process(folder)
        limit = processes.create_limit(folder, actor=SYSTEM, name="SAP", capacity=5, units={first: 1})

        processes.update_limit(limit, actor=SYSTEM, capacity=4, units={first: 3, second: 4})

        assert dict(limit.process_limits.values_list("process", "units")) == {first.pk: 3, second.pk: 4}
        processes.update_limit(limit, actor=SYSTEM, units={})
        assert not limit.process_limits.exists()

    def test_what_could_never_start_or_is_elsewhere_is_refused(self):
        folder = make.folder()
        ours, theirs = make.process(folder), make.process()

        with pytest.raises(Invalid, match="between 1 and 2"):
            processes.create_limit(folder, actor=SYSTEM, name="SAP", capacity=2, units={ours: 3})
        with pytest.raises(Invalid, match="of this tenant"):
            processes.create_limit(folder, actor=SYSTEM, name="SAP", units={theirs: 1})
        limit = processes.create_limit(folder, actor=SYSTEM, name="licences", capacity=2, units={ours: 2})
        with pytest.raises(Invalid, match="would never start"):
            processes.update_limit(limit, actor=SYSTEM, capacity=1)
        with pytest.raises(Invalid, match="capacity"):
            processes.create_limit(folder, actor=SYSTEM, name="SAP", capacity=0)

    def test_a_name_is_taken_once_in_a_folder(self):
        folder = make.folder()
        processes.create_limit(folder, actor=SYSTEM, name="SAP")

        with pytest.raises(Conflict, match="has a limit"):
            processes.create_limit(folder, actor=SYSTEM, name="sap")

    def test_holding_a_process_back_takes_the_right_to_change_it(self):
        folder = make.folder()
        process = make.process(folder)
        actor = Actor.person(make.user("processes.add_namedlimit", inside=folder.tenant))

        with pytest.raises(NotAllowed):
            processes.create_limit(folder, actor=actor, name="SAP", units={process: 1})


class TestWhatOneExecutionMayHave:
    def login(self, folder, **fields):
        secret = {"type": "secret", "value": None, "secrets": {"value": "x"}}
        return make.asset(folder, **{"name": "SAP login", "usable_by": "listed", "exclusive": True, **secret, **fields})

    def test_is_given_to_one_at_a_time_of_all_that_use_it(self):
        folder = make.folder()
        login = self.login(folder)
        first, second, other = make.process(folder), make.process(folder), make.process(folder)
        for process in (first, second):
            processes.update_process(process, actor=SYSTEM, may_use=[login])
        jobs = [make.job(one) for one in (first, second, first, other)]
        session = worker(folder.tenant)

        assert claim(session, 4) == 2
        assert Execution.objects.open().filter(process=other).count() == 1
        assert "another execution has what only one may have: SAP login" in why.why_job(jobs[1]).summary

        holder = Execution.objects.open().exclude(process=other).get()
        services.kill_job(holder.job, actor=SYSTEM)
        assert claim(session, 4) == 1

    def test_holds_nobody_once_it_may_be_had_by_several_or_is_gone(self):
        folder = make.folder()
        login = self.login(folder)
        process = make.process(folder)
        processes.update_process(process, actor=SYSTEM, may_use=[login])
        for _ in range(3):
            make.job(process)
        session = worker(folder.tenant)
        assert claim(session, 3) == 1

        assets.update_asset(login, actor=SYSTEM, exclusive=False)

        assert claim(session, 1) == 1
        assets.update_asset(login, actor=SYSTEM, exclusive=True)
        assets.delete_asset(login, actor=SYSTEM)
        assert claim(session, 1) == 1

    def test_is_for_listed_processes_alone(self):
        with pytest.raises(Invalid, match="listed"):
            self.login(make.folder(), usable_by="folder")


def limited(folder, used):
    processes.create_limit(folder, actor=SYSTEM, name="SAP", capacity=3, units=dict.fromkeys(used, 1))


def exclusive(folder, used):
    login = TestWhatOneExecutionMayHave().login(folder)
    for process in used:
        processes.update_process(process, actor=SYSTEM, may_use=[login])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("shared", "most"), [(limited, 3), (exclusive, 1)])
def test_claims_at_the_same_moment_never_exceed_what_is_shared(shared, most):
    folder = make.folder()
    used = [make.process(folder), make.process(folder)]
    shared(folder, used)
    for number in range(12):
        make.job(used[number % 2])
    sessions = [worker(folder.tenant) for _ in range(6)]
    ready = threading.Barrier(len(sessions))

    def take(session):
        ready.wait()
        try:
            claim(session, 3)
        finally:
            connection.close()

    threads = [threading.Thread(target=take, args=[session]) for session in sessions]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    assert Execution.objects.open().filter(process__in=used).count() == most
