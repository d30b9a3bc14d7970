"""Robots: making, changing and deleting them, and what they may take."""

import pytest
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed, NotSignedIn
from apps.jobs.models import Execution
from apps.robots import services
from apps.robots.models import RobotSession, RobotToken
from apps.tenancy import services as tenancy
from tests import make

pytestmark = pytest.mark.django_db


def test_a_robot_works_for_the_default_folder_unless_told_otherwise():
    robot = make.robot()

    assert [folder.name for folder in robot.folders.all()] == ["Shared"]


def test_a_robot_has_a_token_that_is_shown_once():
    robot, token = make.robot_with_token()

    row = RobotToken.matching(token)
    assert row.robot == robot
    assert token not in str(vars(row))


def test_a_robot_can_be_changed(system):
    robot = make.robot()
    finance = make.folder(robot.tenant)

    services.update_robot(
        robot, actor=system, name="r2", description="d", slots=3, labels=["B", "a"], folders=[finance]
    )

    robot.refresh_from_db()
    assert (robot.name, robot.slots, robot.labels) == ("r2", 3, ["a", "b"])
    assert AuditEntry.objects.about(robot).first().after["slots"] == 3


@pytest.mark.parametrize("slots", [0, 65, -1])
def test_slots_out_of_range_are_refused(system, slots):
    with pytest.raises(Invalid, match="slots"):
        services.create_robot(make.machine(), actor=system, name="r", slots=slots)


def test_a_folder_of_another_tenant_is_refused(system):
    with pytest.raises(Invalid, match="folders"):
        services.create_robot(make.machine(), actor=system, name="r", folders=[make.folder()])


def test_a_deleted_folder_is_refused(system):
    machine = make.machine()
    folder = make.folder(machine.tenant)
    folder.deleted_at = timezone.now()

    with pytest.raises(Invalid, match="living folders"):
        services.create_robot(machine, actor=system, name="r", folders=[folder])


def test_names_are_unique_in_a_tenant_whatever_the_machine(system):
    robot = make.robot(name="r1")

    with pytest.raises(Conflict, match="already"):
        services.create_robot(make.machine(robot.tenant), actor=system, name="R1")


def test_a_deleted_robot_leaves_its_name_its_tokens_and_its_session(system):
    robot, token = make.robot_with_token(name="r1")
    session = make.session(robot)

    services.delete_robot(robot, actor=system)

    session.refresh_from_db()
    assert session.end_reason == "deleted"
    assert RobotToken.matching(token) is None
    assert services.create_robot(robot.machine, actor=system, name="r1")


def test_a_robot_at_work_cannot_be_deleted(system):
    execution = make.running_job()

    with pytest.raises(Conflict, match="running jobs"):
        services.delete_robot(execution.robot, actor=system)

    assert Execution.objects.open().filter(pk=execution.pk).exists()


def test_disabling_is_written_down_once(system):
    robot = make.robot()

    services.disable_robot(robot, actor=system, reason="stolen")
    services.disable_robot(robot, actor=system, reason="stolen")

    entries = AuditEntry.objects.about(robot).filter(action="robot.disabled")
    assert [(entry.reason, entry.after) for entry in entries] == [("stolen", {"enabled": False})]
    assert services.enable_robot(robot, actor=system).enabled


def test_draining_and_its_end(system):
    robot = make.robot()

    assert services.drain_robot(robot, actor=system).draining
    assert not services.stop_draining(robot, actor=system).draining


def test_maintenance_needs_a_reason(system):
    with pytest.raises(Invalid, match="reason"):
        services.start_maintenance(make.robot(), actor=system, reason="  ")


def test_maintenance_ends_in_the_future_or_by_hand(system):
    with pytest.raises(Invalid, match="until"):
        services.start_maintenance(make.robot(), actor=system, reason="patch", until=timezone.now())


def test_maintenance_and_its_end(system):
    robot = make.robot()

    services.start_maintenance(robot, actor=system, reason=" patch ")
    assert (robot.maintenance, robot.maintenance_reason) == (True, "patch")

    services.end_maintenance(robot, actor=system)
    assert (robot.maintenance, robot.maintenance_reason) == (False, "")


def test_an_error_stays_the_first_until_somebody_clears_it(system):
    robot = make.robot()
    services.flag_error(robot, actor=system, error="cloned")

    services.flag_error(robot, actor=system, error="another")

    robot.refresh_from_db()
    assert robot.error == "cloned"
    assert services.clear_error(robot, actor=system).error == ""


def test_old_sessions_that_no_execution_names_are_forgotten(system):
    worked, idle = make.running_job().session, make.session(make.robot())
    RobotSession.objects.filter(pk__in=[worked.pk, idle.pk]).update(ended_at="2020-01-01T00:00Z")

    assert services.forget_old_sessions(actor=system) == 1

    assert list(RobotSession.objects.filter(pk__in=[worked.pk, idle.pk])) == [worked]


@pytest.mark.parametrize(
    "operation",
    [
        lambda robot, actor: services.create_robot(robot.machine, actor=actor, name="other"),
        lambda robot, actor: services.update_robot(
            robot, actor=actor, name="x", description="", slots=1, labels=[], folders=[]
        ),
        lambda robot, actor: services.rotate_token(robot, actor=actor),
        lambda robot, actor: services.enable_robot(robot, actor=actor),
        lambda robot, actor: services.disable_robot(robot, actor=actor),
        lambda robot, actor: services.drain_robot(robot, actor=actor),
        lambda robot, actor: services.stop_draining(robot, actor=actor),
        lambda robot, actor: services.start_maintenance(robot, actor=actor, reason=""),
        lambda robot, actor: services.end_maintenance(robot, actor=actor),
        lambda robot, actor: services.clear_error(robot, actor=actor),
        lambda robot, actor: services.flag_error(robot, actor=actor, error="x"),
        lambda robot, actor: services.delete_robot(robot, actor=actor),
        lambda robot, actor: services.forget_old_sessions(actor=actor),
    ],
)
def test_who_may_only_look_may_not(operation):
    robot = make.robot()
    viewer = Actor.person(make.user("robots.view_robot", "robots.view_machine", inside=robot.tenant))

    with pytest.raises(NotAllowed):
        operation(robot, viewer)


def test_a_robot_may_speak_only_for_itself():
    robot, other = make.robot(), make.robot()

    with pytest.raises(NotAllowed):
        services.flag_error(other, actor=make.acting(robot), error="x")


def test_a_robot_may_not_change_itself():
    robot = make.robot()

    with pytest.raises(NotAllowed):
        services.enable_robot(robot, actor=make.acting(robot))


def test_a_robot_with_a_wrong_key_is_not_registered(system):
    machine = make.machine()
    _, key_of_another = services.create_machine(make.tenant(), actor=system, name="m")

    with pytest.raises(NotSignedIn):
        services.register_robot(machine, actor=system, key=key_of_another, name="r")


@pytest.mark.parametrize("asked", [["Mine", "Theirs"], ["Theirs"], []], ids=["added", "moved", "to the default folder"])
def test_a_robot_comes_to_work_for_a_folder_only_by_who_may_change_robots_in_it(system, asked):
    of = make.tenant()
    folders = {name: tenancy.create_folder(of, actor=system, name=name) for name in ("Mine", "Theirs")}
    robot = make.robot(of=of, folders=[folders["Mine"]])
    somebody = Actor.person(make.user("robots.change_robot", "tenancy.view_folder", inside=folders["Mine"]))

    with pytest.raises(NotAllowed):
        services.update_robot(robot, actor=somebody, folders=[folders[name] for name in asked])

    assert [folder.name for folder in robot.folders.all()] == ["Mine"]
    assert services.update_robot(robot, actor=somebody, folders=[folders["Mine"]], slots=2).slots == 2
