"""The one hot call: presence, renewals, and with free slots a claim."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core import tokens
from apps.core.errors import Conflict, NotAllowed, NotSignedIn
from apps.events.models import Event
from apps.jobs import services as jobs
from apps.jobs.models import Execution, ExecutionStatus, JobStatus
from apps.robots import services as robots
from apps.robots.models import Robot, RobotSample, RobotSession, RobotToken
from apps.runner import services
from apps.runner.services import Presence, Renewal
from apps.tenancy import services as tenancy
from tests import make
from tests.jobs.reports import job_of, run_out

pytestmark = pytest.mark.django_db


class Worker:
    """A robot that syncs; each sync has the next sequence number and a body of its own."""

    def __init__(self, tenant=None, on=None, **fields):
        self.robot, self.token = make.robot_with_token(on, tenant, **fields)
        self.session = make.session(self.robot)
        self.seq = 0

    def sync(self, *wishes, **facts):
        self.seq += 1
        told = {"session": self.session.pk, "seq": self.seq, "body_digest": uuid.uuid4().hex, "wishes": wishes}
        return services.sync_robot(self.token, presence=Presence(**told | facts))

    def renew(self, execution, **facts):
        answered = self.sync(leases=[Renewal(lease=execution.lease_id, **facts)])
        return answered.leases[str(execution.lease_id)]

    def works(self):
        """The execution of a job that it claimed and began."""
        wish = uuid.uuid4()
        execution = Execution.objects.get(pk=self.sync(wish).grants[wish])
        return jobs.start_execution(execution, actor=make.acting(self.robot))


@pytest.fixture
def process():
    return make.process(max_attempts=3)


@pytest.fixture
def worker(process):
    return Worker(process.tenant)


def expiry(execution):
    execution.refresh_from_db()
    return execution.expires_at


def test_presence_is_noted(worker):
    RobotSession.objects.update(last_seen_at=Now() - timedelta(minutes=5))

    worker.sync(metrics={"cpu": 0.5}, accepting=False, problem="spool_full")

    worker.session.refresh_from_db()
    assert worker.session.last_seen_at > worker.session.created_at
    assert (worker.session.accepting, worker.session.problem) == (False, "spool_full")
    assert worker.session.metrics == {"cpu": 0.5}


def test_the_robot_s_clock_is_kept_as_its_difference_from_ours(worker):
    worker.sync(metrics={"cpu": 0.5}, clock=timezone.now().timestamp() - 90)

    worker.session.refresh_from_db()
    assert worker.session.metrics["cpu"] == 0.5
    assert -100 < worker.session.metrics["clock_skew"] < -85


def test_a_sample_is_kept_at_most_once_in_a_while_for_each_robot(process, worker):
    other = Worker(process.tenant)
    measured = {"cpu": 0.5, "memory": 0.25, "disk": 0.75, "disk_free": 10**12, "load": 1.5, "spool_depth": 3}

    worker.sync(metrics=measured, is_sample=True)
    worker.sync(metrics={"cpu": 0.9}, is_sample=True)
    other.sync(metrics={"cpu": 0.1}, is_sample=True)

    kept = {sample.robot_id: sample for sample in RobotSample.objects.all()}
    assert RobotSample.objects.count() == 2
    sample = kept[worker.robot.pk]
    assert (sample.tenant_id, sample.cpu, sample.memory) == (worker.robot.tenant_id, 0.5, 0.25)
    assert (sample.disk, sample.disk_free, sample.load) == (0.75, 10**12, 1.5)
    assert (kept[other.robot.pk].cpu, kept[other.robot.pk].memory) == (0.1, None)


def test_metrics_that_are_no_sample_are_not_kept_nor_a_sample_of_nothing(worker):
    worker.sync(metrics={"cpu": 0.5})
    worker.sync(metrics={"spool_depth": 1}, is_sample=True)

    assert not RobotSample.objects.exists()


def test_without_a_sample_and_anything_due_a_sync_is_one_statement(worker):
    with CaptureQueriesContext(connection) as idle:
        worker.sync(uuid.uuid4(), metrics={"cpu": 0.5})
    with CaptureQueriesContext(connection) as sampling:
        worker.sync(uuid.uuid4(), metrics={"cpu": 0.5}, is_sample=True)

    assert (len(idle), len(sampling)) == (1, 2)


def test_a_robot_is_told_what_it_does_otherwise_and_comes_at_that_pace(worker, settings):
    settings.LIVE_URL = None
    pushed = {"sync_min": 20, "sync_max": 30, "memory_limit": 512}
    robots.update_robot(worker.robot, actor=make.SYSTEM, pushed_settings=pushed)

    answered = worker.sync()

    assert answered.config["settings"] == pushed
    assert 20 <= answered.next_sync_in < 21


def test_a_longest_pause_that_was_pushed_also_bounds_the_long_wait(worker, settings):
    settings.LIVE_URL = "http://127.0.0.1:1/live"
    robots.update_robot(worker.robot, actor=make.SYSTEM, pushed_settings={"sync_max": 5})

    assert worker.sync().next_sync_in == 5


def test_a_robot_is_told_when_its_token_ends(worker):
    own = worker.sync().config["token_expires_in"]
    RobotToken.objects.update(expires_at=None)

    endless = worker.sync().config["token_expires_in"]

    assert timedelta(days=89) < timedelta(seconds=own) < timedelta(days=91)
    assert endless is None


def test_a_robot_is_told_whose_log_somebody_reads(process, worker):
    Robot.objects.filter(pk=worker.robot.pk).update(slots=2)
    make.job(process), make.job(process)
    watched, other = worker.works(), worker.works()
    jobs.watch_log(watched, actor=make.SYSTEM)
    renewals = [Renewal(lease=watched.lease_id), Renewal(lease=other.lease_id)]

    told = worker.sync(leases=renewals).watched
    Execution.objects.update(watched_until=Now() - timedelta(seconds=1))

    assert told == [str(watched.lease_id)]
    assert worker.sync(leases=renewals).watched == []


def test_nobody_is_told_of_a_watched_log_of_another_robot(process, worker):
    make.job(process)
    execution = worker.works()
    jobs.watch_log(execution, actor=make.SYSTEM)

    told = Worker(process.tenant).sync(leases=[Renewal(lease=execution.lease_id)])

    assert told.watched == []


def test_each_wish_is_granted_a_job(process, worker):
    first, second = make.job(process), make.job(process)
    Robot.objects.filter(pk=worker.robot.pk).update(slots=2)
    wishes = [uuid.uuid4(), uuid.uuid4()]

    grants = worker.sync(*wishes).grants

    granted = Execution.objects.in_bulk(list(grants.values()))
    assert [granted[grants[wish]].job_id for wish in wishes] == [first.pk, second.pk]


def test_the_same_sync_again_gives_the_same_lease(process, worker):
    make.job(process)
    wish = uuid.uuid4()
    first = worker.sync(wish, body_digest="same")
    worker.seq -= 1

    second = worker.sync(wish, body_digest="same")

    assert second.grants == first.grants
    assert Execution.objects.count() == 1


def test_a_wish_repeated_in_a_later_sync_gives_the_same_lease_though_nothing_else_is_due(process, worker):
    make.job(process)
    wish = uuid.uuid4()
    first = worker.sync(wish)

    second = worker.sync(wish)

    assert second.grants == first.grants


def test_a_granted_wish_is_answered_again_though_the_robot_takes_nothing_new(process, worker, system):
    make.job(process)
    wish = uuid.uuid4()
    first = worker.sync(wish)
    robots.drain_robot(worker.robot, actor=system)

    second = worker.sync(wish, accepting=False)

    assert second.grants == first.grants


def test_a_wish_whose_lease_has_ended_gives_nothing(process, worker):
    make.job(process)
    wish = uuid.uuid4()
    execution = Execution.objects.get(pk=worker.sync(wish).grants[wish])
    jobs.release_execution(execution, actor=make.acting(worker.robot))

    assert worker.sync(wish).grants == {}
    assert Execution.objects.count() == 1


def test_who_accepts_nothing_is_given_nothing(process, worker):
    make.job(process)

    assert worker.sync(uuid.uuid4(), accepting=False).grants == {}


def test_a_draining_robot_is_told_and_given_nothing(process, worker, system):
    make.job(process)
    robots.drain_robot(worker.robot, actor=system)

    answered = worker.sync(uuid.uuid4())

    assert answered.grants == {}
    assert answered.config["draining"] is True


def test_a_renewal_extends_a_lease(process, worker):
    make.job(process)
    execution = worker.works()
    run_out(execution)

    assert worker.renew(execution, progress={"percent": 40}, usage={"cpu": 1.5}) == "continue"

    assert expiry(execution) > execution.granted_at + timedelta(seconds=80)
    assert (execution.progress, execution.usage) == ({"percent": 40}, {"cpu": 1.5})


def test_a_renewal_without_progress_keeps_the_last(process, worker):
    make.job(process)
    execution = worker.works()
    worker.renew(execution, progress={"percent": 40})

    worker.renew(execution)

    execution.refresh_from_db()
    assert execution.progress == {"percent": 40}


def test_a_lease_of_another_robot_is_lost_to_this_one(process, worker):
    make.job(process)
    execution = worker.works()
    run_out(execution)
    before = expiry(execution)

    assert Worker(process.tenant).renew(execution) == "lost"

    assert expiry(execution) == before


def test_a_lease_nobody_knows_is_lost(worker):
    lease = uuid.uuid4()

    assert worker.sync(leases=[Renewal(lease=lease)]).leases == {str(lease): "lost"}


def test_a_closed_lease_is_lost_and_stays_closed(process, worker):
    make.job(process)
    execution = worker.works()
    jobs.kill_job(execution.job, actor=make.SYSTEM)
    before = expiry(execution)

    assert worker.renew(execution) == "lost"

    assert expiry(execution) == before
    assert execution.status == ExecutionStatus.REVOKED


def test_a_cancelled_job_s_robot_is_told_and_may_renew_for_the_grace(process, worker):
    make.job(process)
    execution = worker.works()
    jobs.cancel_job(execution.job, actor=make.SYSTEM)
    run_out(execution)

    assert worker.renew(execution) == "cancel"

    assert expiry(execution) > execution.granted_at + timedelta(seconds=80)


def test_a_job_asked_to_stop_is_told_so(process, worker):
    make.job(process)
    execution = worker.works()
    jobs.stop_job(execution.job, actor=make.SYSTEM)

    assert worker.renew(execution) == "stop"


def test_at_its_time_out_a_job_is_to_be_killed_and_its_lease_extended_no_more(process, worker):
    make.job(process, timeout=60)
    execution = worker.works()
    worker.renew(execution, running_for=61)
    before = expiry(execution)

    assert worker.renew(execution, running_for=62) == "kill"

    assert expiry(execution) == before
    assert execution.kill_asked_at is not None


def test_a_time_out_counts_from_the_child_s_start(process, worker):
    make.job(process, timeout=60)
    execution = worker.works()

    worker.renew(execution, running_for=50)

    execution.refresh_from_db()
    assert timedelta(seconds=9) < execution.timeout_at - execution.started_at < timedelta(seconds=11)


def test_a_robot_cannot_move_its_time_out_away(process, worker):
    make.job(process, timeout=60)
    execution = worker.works()
    worker.renew(execution, running_for=50)
    execution.refresh_from_db()
    before = execution.timeout_at

    worker.renew(execution, running_for=0)

    execution.refresh_from_db()
    assert execution.timeout_at == before


def test_a_time_out_comes_before_a_cancel(process, worker):
    make.job(process, timeout=60)
    execution = worker.works()
    worker.renew(execution, running_for=61)
    jobs.cancel_job(execution.job, actor=make.SYSTEM)

    assert worker.renew(execution, running_for=62) == "kill"


def test_what_was_not_begun_in_time_is_lost_and_extended_no_more(process, worker):
    make.job(process)
    wish = uuid.uuid4()
    execution = Execution.objects.get(pk=worker.sync(wish).grants[wish])
    Execution.objects.filter(pk=execution.pk).update(start_by=Now() - timedelta(seconds=1))
    before = expiry(execution)

    assert worker.renew(execution) == "lost"

    assert expiry(execution) == before


def test_one_sequence_number_with_two_bodies_puts_the_robot_aside(worker):
    worker.sync()
    worker.seq -= 1

    with pytest.raises(services.SequenceConflict):
        worker.sync()

    worker.robot.refresh_from_db()
    assert worker.robot.error == "two processes share one session"
    assert Event.objects.about(worker.robot).filter(type="robot.error").exists()


def test_a_clone_renews_nothing(process, worker):
    make.job(process)
    execution = worker.works()
    run_out(execution)
    before = expiry(execution)
    worker.seq -= 1

    with pytest.raises(services.SequenceConflict):
        worker.renew(execution)

    assert expiry(execution) == before


def test_an_older_message_that_comes_late_changes_nothing(worker):
    worker.sync()
    worker.sync(problem="new")
    worker.seq -= 2

    with pytest.raises(Conflict) as refusal:
        worker.sync(problem="old")

    worker.session.refresh_from_db()
    assert (refusal.value.code, worker.session.problem) == ("sequence_passed", "new")


def test_an_ended_session_is_refused(worker):
    robots.end_session(worker.session, actor=make.SYSTEM, reason="x")

    with pytest.raises(jobs.SessionOver):
        worker.sync()


def test_the_session_of_another_robot_is_refused(worker):
    with pytest.raises(jobs.SessionOver):
        worker.sync(session=make.session(make.robot()).pk)


@pytest.mark.parametrize("token", ["", "nonsense", "bvm_0000000000_" + "0" * 49])
def test_a_token_that_is_none_is_refused(worker, token):
    worker.token = token

    with pytest.raises(NotSignedIn) as refusal:
        worker.sync()

    assert refusal.value.code == "bad_token"


def test_a_token_whose_secret_is_wrong_is_refused(worker):
    public = tokens.parse(worker.token).public
    worker.token = str(tokens.PlainToken("r", public, tokens.generate("r").secret))

    with pytest.raises(NotSignedIn):
        worker.sync()


def test_a_revoked_token_is_refused(worker):
    worker.robot.tokens.update(revoked_at=Now() - timedelta(seconds=1))

    with pytest.raises(NotSignedIn):
        worker.sync()


def test_a_deleted_robot_is_refused(worker):
    robots.delete_robot(worker.robot, actor=make.SYSTEM)

    with pytest.raises(NotSignedIn):
        worker.sync()


def test_a_disabled_robot_is_refused_and_not_seen(worker):
    Robot.objects.filter(pk=worker.robot.pk).update(enabled=False)
    RobotSession.objects.filter(pk=worker.session.pk).update(last_seen_at=Now() - timedelta(minutes=5))

    with pytest.raises(NotAllowed) as refusal:
        worker.sync()

    worker.session.refresh_from_db()
    assert refusal.value.code == "robot_disabled"
    assert worker.session.last_seen_at < worker.session.created_at


def test_a_suspended_tenant_s_robot_is_refused(worker):
    tenancy.suspend_tenant(worker.robot.tenant, actor=make.SYSTEM)

    with pytest.raises(NotAllowed) as refusal:
        worker.sync()

    assert refusal.value.code == "tenant_suspended"


def test_an_idle_sync_is_one_statement(worker, django_assert_num_queries):
    with django_assert_num_queries(1):
        worker.sync(uuid.uuid4())


def test_a_renewal_is_one_statement(process, worker, django_assert_num_queries):
    make.job(process)
    execution = worker.works()

    with django_assert_num_queries(1):
        worker.renew(execution, progress={"percent": 1})


def test_the_pace_falls_while_there_is_nothing_to_do(worker):
    busy = worker.sync().next_sync_in
    RobotSession.objects.filter(pk=worker.session.pk).update(created_at=Now() - timedelta(hours=1))

    assert (busy, worker.sync().next_sync_in) == (pytest.approx(2, abs=0.1), 10)


def test_two_robots_and_one_job(process, worker):
    make.job(process)
    other = Worker(process.tenant)
    mine, others = uuid.uuid4(), uuid.uuid4()

    assert list(worker.sync(mine).grants) == [mine]
    assert other.sync(others).grants == {}


def test_labels_come_from_the_robot_and_its_machine():
    worker = Worker(on=make.machine(labels=["sap"]), labels=["gpu"])

    assert sorted(worker.sync().config["labels"]) == ["gpu", "sap"]


def test_a_job_held_by_its_cancel_leaves_with_its_lease(process, worker):
    make.job(process)
    execution = worker.works()
    jobs.cancel_job(execution.job, actor=make.SYSTEM)
    run_out(execution)

    assert jobs.sweep_execution(execution, actor=make.SYSTEM)

    assert worker.renew(execution) == "lost"
    assert job_of(execution).status == JobStatus.CANCELLED
