"""The pages of machines and robots."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from apps.jobs.models.robots import RobotStatus
from apps.robots import services as robots
from apps.robots.models import Robot, RobotSession
from apps.runner import services as runner
from tests import make
from tests.admin import rows
from tests.admin.visitors import list_of, page_of, superuser, text_of

pytestmark = pytest.mark.django_db


def offline(robot):
    make.session(robot)
    RobotSession.objects.filter(robot=robot).update(last_seen_at=Now() - timedelta(hours=1))


def flagged(robot):
    robots.flag_error(robot, actor=make.SYSTEM, error="two machines share one identity")


def maintained(robot):
    robots.start_maintenance(robot, actor=make.SYSTEM, reason="Windows updates")


def disabled(robot):
    runner.disable_robot(robot, actor=make.SYSTEM)


def busy(robot):
    make.job(make.process(make.folder(robot.tenant)))
    make.claimed(make.session(robot))


@pytest.mark.parametrize(
    ("prepare", "status", "says"),
    [
        (offline, RobotStatus.OFFLINE, "Offline"),
        (make.session, RobotStatus.AVAILABLE, "Available"),
        (busy, RobotStatus.BUSY, "1 of 1"),
        (maintained, RobotStatus.MAINTENANCE, "Windows updates"),
        (flagged, RobotStatus.ERROR, "two machines share one identity"),
        (disabled, RobotStatus.DISABLED, "Disabled"),
    ],
)
def test_what_a_robot_is_shows_in_the_list_on_its_page_and_as_a_filter(prepare, status, says):
    robot, other = make.robot(), make.robot()
    prepare(robot)
    make.session(other) if status is RobotStatus.OFFLINE else offline(other)
    visitor = superuser()

    listed = visitor.get(list_of(Robot), status=status.value)

    assert says in text_of(listed)
    assert says in text_of(visitor.open(robot))
    assert page_of(robot) in text_of(listed)
    assert page_of(other) not in text_of(listed)


def test_an_idle_robot_says_why():
    robot = make.robot()

    shown = text_of(superuser().open(robot))

    assert "It takes no work because the robot is offline." in shown
    assert "start bv-robot on its machine" in shown


def test_the_page_of_a_robot_shows_its_session_its_folders_and_its_labels():
    robot = make.robot(labels=["excel"])
    make.session(robot, agent={"version": "1.4.0", "platform": "linux"})

    shown = text_of(superuser().open(robot))

    assert [text in shown for text in ("excel", "1.4.0", "linux", "Shared")] == [True] * 4


def test_a_machine_shows_its_robots_and_what_to_do_without_any():
    machine = make.machine()
    visitor = superuser()

    before = text_of(visitor.open(machine))
    robot = make.robot(machine)
    after = text_of(visitor.open(machine))

    assert "No robot has enrolled yet" in before
    assert page_of(robot) in after


def test_a_new_key_ends_the_sessions_of_the_machine():
    robot = make.robot()
    session = make.session(robot)

    superuser().do(robot.machine, "key")

    session.refresh_from_db()
    assert session.end_reason == "key_regenerated"


def test_disabling_a_robot_settles_what_it_runs():
    execution = make.running_job()

    superuser().do(execution.robot, "disable", reason="stolen")

    execution.refresh_from_db()
    assert execution.status == "lost"


def test_maintenance_needs_a_reason_and_an_end_in_the_future():
    robot = make.robot()
    visitor = superuser()

    without = visitor.do(robot, "maintain")
    past = visitor.do(robot, "maintain", reason="updates", until="2020-01-01T00:00")

    assert "reason" in without.context["form"].errors
    assert "until" in past.context["form"].errors


def test_a_machine_with_robots_is_not_deleted():
    robot = make.robot()

    assert "still has robots" in text_of(superuser().do(robot.machine, "delete"))


def test_labels_are_typed_with_commas_or_spaces():
    machine = make.machine()

    superuser().do(machine, "edit", name="host", labels="Linux, gpu  excel")

    machine.refresh_from_db()
    assert machine.labels == ["excel", "gpu", "linux"]


def test_a_robot_works_for_the_folders_that_are_ticked():
    robot = make.robot()
    folder = rows.folder(robot.tenant)

    superuser().do(robot, "edit", name="robot", slots="2", folders=[folder.pk])

    assert list(robot.folders.all()) == [folder]


def test_settings_are_pushed_by_fields_of_the_form_and_shown_in_it_again():
    robot = make.robot()
    visitor = superuser()

    visitor.do(robot, "edit", name="robot", slots="2", log_every="2.5", memory_limit="512")

    robot.refresh_from_db()
    assert robot.pushed_settings == {"log_every": 2.5, "memory_limit": 512}
    form = visitor.get(page_of(robot, "edit")).context["form"]
    assert (form["memory_limit"].value(), form["cpu_limit"].value()) == (512, None)


def test_a_setting_out_of_range_is_named_at_its_field():
    robot = make.robot()
    visitor = superuser()

    low = visitor.do(robot, "edit", name="robot", slots="2", memory_limit="1")
    crossed = visitor.do(robot, "edit", name="robot", slots="2", sync_min="9", sync_max="3")

    assert "memory_limit" in low.context["form"].errors
    assert "sync_min" in crossed.context["form"].errors
