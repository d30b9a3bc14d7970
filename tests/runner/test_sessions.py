"""Sessions: which process speaks for a robot, and what becomes of what the one before it held."""

import uuid
from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now

from apps.core.errors import NotAllowed
from apps.events.models import Event
from apps.jobs import services as jobs
from apps.jobs.models import Execution, ExecutionStatus, JobStatus
from apps.robots import services as robots
from apps.robots.models import MachineKey, Robot, RobotSession
from apps.runner import services
from apps.tenancy import services as tenancy
from tests import make
from tests.jobs.reports import job_of

pytestmark = pytest.mark.django_db


def open_session(robot, *, running=(), signature="", **facts):
    newcomer = robots.Newcomer(**{"instance_id": uuid.uuid4(), "boot_id": "boot-1"} | facts)
    return services.open_session(
        robot, actor=make.acting(robot), newcomer=newcomer, signature=signature, running=running
    )


def restarted(robot, before, **facts):
    """The same robot's next process, which knows the secret in the spool."""
    return open_session(robot, **{"resume_secret": before.resume_secret} | facts)


def let_fall_silent(opened, seconds=31):
    RobotSession.objects.filter(pk=opened.session.pk).update(last_seen_at=Now() - timedelta(seconds=seconds))


def at_work(**fields):
    """A robot with an open session and a job that it has begun."""
    process = make.process(**fields)
    job, robot = make.job(process), make.robot(of=process.tenant)
    opened = open_session(robot)
    execution = jobs.start_execution(make.claimed(opened.session), actor=make.acting(robot))
    return robot, opened, execution, job


def test_a_restart_on_the_same_boot_takes_over_at_once():
    robot = make.robot()
    before = open_session(robot)

    after = restarted(robot, before)

    before.session.refresh_from_db()
    assert (before.session.end_reason, after.session.ended_at) == ("superseded", None)
    assert not after.session.took_over


@pytest.mark.parametrize("facts", [{"resume_secret": "wrong"}, {"resume_secret": ""}, {"boot_id": "boot-2"}])
def test_whoever_cannot_prove_a_restart_waits_while_the_other_is_alive(facts):
    robot = make.robot()
    before = open_session(robot)

    with pytest.raises(robots.SessionInUse) as refusal:
        restarted(robot, before, **facts)

    assert 25 <= refusal.value.extra["retry_after"] <= 30
    before.session.refresh_from_db()
    assert before.session.ended_at is None


def test_after_half_a_minute_of_silence_a_stranger_takes_over():
    robot = make.robot()
    before = open_session(robot)
    let_fall_silent(before)

    after = open_session(robot, boot_id="boot-2")

    before.session.refresh_from_db()
    assert before.session.end_reason == "superseded"
    assert after.session.took_over


def test_the_wait_that_is_left_is_told():
    robot = make.robot()
    let_fall_silent(open_session(robot), seconds=20)

    with pytest.raises(robots.SessionInUse) as refusal:
        open_session(robot)

    assert 9 <= refusal.value.extra["retry_after"] <= 10


def test_the_same_opening_again_gives_the_same_session_and_secret():
    robot, instance = make.robot(), uuid.uuid4()
    first = open_session(robot, instance_id=instance)

    second = open_session(robot, instance_id=instance)

    assert (second.session, second.resume_secret) == (first.session, first.resume_secret)
    assert RobotSession.objects.filter(robot=robot).count() == 1


def test_the_same_opening_again_counts_its_syncs_anew():
    robot, instance = make.robot(), uuid.uuid4()
    session = open_session(robot, instance_id=instance).session
    RobotSession.objects.filter(pk=session.pk).update(seq=17, body_digest="x")

    open_session(robot, instance_id=instance)

    session.refresh_from_db()
    assert (session.seq, session.body_digest) == (0, "")


def test_the_secret_of_a_session_is_not_that_of_another():
    robot = make.robot()
    before = open_session(robot)
    after = restarted(robot, before)

    assert after.resume_secret != before.resume_secret
    with pytest.raises(robots.SessionInUse):
        restarted(robot, before)


def test_three_take_overs_in_ten_minutes_put_the_robot_aside_but_let_it_in():
    robot = make.robot()
    opened = open_session(robot, boot_id="boot-0")
    for number in range(1, 4):
        let_fall_silent(opened)
        opened = open_session(robot, boot_id=f"boot-{number % 2 + 1}")

    robot.refresh_from_db()
    assert robot.error == "two machines share one identity"
    assert opened.session.ended_at is None
    assert Event.objects.about(robot).filter(type="robot.error").count() == 1


def test_a_robot_that_starts_again_and_again_is_only_itself():
    robot = make.robot()
    opened = open_session(robot)
    for _ in range(5):
        opened = restarted(robot, opened)

    robot.refresh_from_db()
    assert robot.error == ""


def test_take_overs_that_do_not_bunch_are_nobody_s_business():
    robot = make.robot()
    opened = open_session(robot, boot_id="boot-0")
    for number in range(1, 4):
        let_fall_silent(opened)
        opened = open_session(robot, boot_id=f"boot-{number % 2 + 1}")
        RobotSession.objects.filter(robot=robot).update(created_at=F("created_at") - timedelta(minutes=5))

    robot.refresh_from_db()
    assert robot.error == ""


def test_a_robot_put_aside_gets_nothing_new_and_keeps_what_it_runs():
    robot, opened, execution, job = at_work()
    robots.flag_error(robot, actor=make.SYSTEM, error="cloned")
    Robot.objects.filter(pk=robot.pk).update(slots=2)
    make.job(job.process)

    granted = jobs.claim_jobs(opened.session, actor=make.acting(robot), wishes=[uuid.uuid4()])

    execution.refresh_from_db()
    assert granted == {}
    assert execution.status == ExecutionStatus.RUNNING


def test_what_had_begun_is_lost_and_tried_again():
    robot, opened, execution, _ = at_work(max_attempts=2)

    restarted(robot, opened)

    execution.refresh_from_db()
    assert (execution.status, execution.reason) == (ExecutionStatus.LOST, "robot_restarted")
    assert (job_of(execution).status, job_of(execution).reason) == (JobStatus.PENDING, "lost")


def test_what_had_not_begun_is_given_back_and_costs_no_attempt():
    job = make.job()
    robot = make.robot(of=job.tenant)
    opened = open_session(robot)
    execution = make.claimed(opened.session)

    restarted(robot, opened)

    execution.refresh_from_db()
    job.refresh_from_db()
    assert (execution.status, execution.reason) == (ExecutionStatus.RELEASED, "robot_restarted")
    assert (job.status, job.attempts_used, job.last_execution_no) == (JobStatus.PENDING, 0, 1)


def test_what_provably_still_runs_goes_on_under_the_new_session():
    robot, opened, execution, _ = at_work()
    Execution.objects.filter(pk=execution.pk).update(expires_at=Now() + timedelta(seconds=1))

    after = restarted(robot, opened, running=[execution.lease_id])

    execution.refresh_from_db()
    assert after.leases == {execution.lease_id: "continue"}
    assert (execution.status, execution.session) == (ExecutionStatus.RUNNING, after.session)
    assert execution.expires_at > execution.granted_at + timedelta(seconds=80)


def test_an_opening_again_still_says_which_leases_go_on():
    robot, opened, execution, _ = at_work()
    instance = uuid.uuid4()
    restarted(robot, opened, running=[execution.lease_id], instance_id=instance)

    again = restarted(robot, opened, running=[execution.lease_id], instance_id=instance)

    assert again.leases == {execution.lease_id: "continue"}


def test_an_opening_again_leaves_what_was_granted_since():
    job, instance = make.job(), uuid.uuid4()
    robot = make.robot(of=job.tenant)
    opened = open_session(robot, instance_id=instance)
    execution = make.claimed(opened.session)

    open_session(robot, instance_id=instance)

    execution.refresh_from_db()
    assert execution.status == ExecutionStatus.RUNNING


def test_a_lease_that_ended_or_is_another_s_is_lost():
    robot, opened, execution, _ = at_work()
    _, _, others, _ = at_work()
    jobs.kill_job(execution.job, actor=make.SYSTEM)

    after = restarted(robot, opened, running=[execution.lease_id, others.lease_id])

    assert set(after.leases.values()) == {"lost"}
    others.refresh_from_db()
    assert others.status == ExecutionStatus.RUNNING


def test_a_disabled_robot_is_turned_away(system):
    robot = make.robot()
    services.disable_robot(robot, actor=system)

    with pytest.raises(NotAllowed) as refusal:
        open_session(robot)

    assert refusal.value.code == "robot_disabled"


@pytest.mark.parametrize("door", [open_session, lambda r: services.connect_classic(r, actor=make.acting(r), agent={})])
def test_robots_of_a_suspended_tenant_are_turned_away(system, door):
    robot = make.robot()
    tenancy.suspend_tenant(robot.tenant, actor=system)

    with pytest.raises(NotAllowed) as refusal:
        door(robot)

    assert refusal.value.code == "tenant_suspended"


def test_another_host_is_turned_away():
    robot = make.robot()
    open_session(robot, signature="host a")

    with pytest.raises(NotAllowed) as refusal:
        open_session(robot, signature="host b")

    assert refusal.value.code == "machine_mismatch"


def test_a_robot_cannot_open_a_session_for_another():
    robot, other = make.robot(), make.robot()

    with pytest.raises(NotAllowed):
        services.open_session(other, actor=make.acting(robot), newcomer=robots.Newcomer(instance_id=uuid.uuid4()))


def test_disabling_a_robot_ends_its_session_and_settles_what_it_ran(system):
    robot, opened, execution, _ = at_work(max_attempts=2)

    services.disable_robot(robot, actor=system)

    execution.refresh_from_db()
    opened.session.refresh_from_db()
    assert (opened.session.end_reason, execution.reason) == ("disabled", "disabled")
    assert job_of(execution).status == JobStatus.PENDING


def test_regenerating_a_key_ends_the_sessions_of_all_its_robots(system):
    robot, opened, execution, _ = at_work()
    other = open_session(make.robot(on=robot.machine))
    stranger = open_session(make.robot(of=robot.tenant))

    key = services.regenerate_key(robot.machine, actor=system)

    ended = RobotSession.objects.filter(end_reason="key_regenerated")
    assert set(ended) == {opened.session, other.session}
    assert RobotSession.objects.get(pk=stranger.session.pk).ended_at is None
    assert MachineKey.matching(key).machine == robot.machine
    assert job_of(execution).reason == "lost"


def test_an_older_runner_s_new_start_takes_over_from_its_last(system):
    robot = make.robot()
    first = services.connect_classic(robot, actor=make.acting(robot), agent={})

    second = services.connect_classic(robot, actor=make.acting(robot), agent={})

    first.refresh_from_db()
    assert (first.end_reason, second.is_classic) == ("superseded", True)


def test_a_session_ended_twice_is_ended_once(system):
    session = make.session(make.robot())

    assert robots.end_session(session, actor=system, reason="x") == [session.pk]
    assert robots.end_session(session, actor=system, reason="y") == []

    session.refresh_from_db()
    assert session.end_reason == "x"
