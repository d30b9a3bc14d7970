"""Real robots die in the middle of a job, with their memory on disk and without it, and are copied."""

from __future__ import annotations

import shutil

import psutil

from apps.jobs.models import Execution
from apps.robots.models import RobotSession
from tests.flows import Flow
from tests.robots_at_work import RunningRobot


def kill_whole(robot: RunningRobot) -> None:
    """``kill -9`` the robot with everything that runs for it, as when its machine loses power."""
    supervisors = robot.supervisors()
    family = [child for process in supervisors for child in process.children(recursive=True)]
    robot.kill()
    for process in [*supervisors, *family]:
        process.kill()
    psutil.wait_procs(supervisors, timeout=10)


def test_killed_with_its_job_it_gives_the_job_up_and_never_runs_that_lease_again(flow, counted):
    robot = flow.robot()
    job = counted.start()
    counted.wait_begun(1)
    kill_whole(robot)

    flow.again(robot)
    counted.wait_begun(2)
    counted.go.touch()

    assert flow.wait(job)["result"] == "2"
    assert [row["status"] for row in flow.executions(job)] == ["lost", "completed"]
    assert flow.executions(job)[0]["reason"] == "robot_restarted"
    assert len(set(counted.begun())) == len(counted.begun()) == 2


def test_killed_without_its_spool_the_lease_runs_out_and_the_job_goes_to_another(flow, counted):
    robot = flow.robot()
    job = counted.start()
    counted.wait_begun(1)
    kill_whole(robot)
    shutil.rmtree(robot.home)

    flow.robot()
    counted.wait_begun(2)
    counted.go.touch()

    assert flow.wait(job)["result"] == "2"
    assert [row["status"] for row in flow.executions(job)] == ["lost", "completed"]


def test_killed_before_it_could_report_the_result_arrives_late_and_counts_once(flow, counted, plant):
    robot = flow.robot()
    job = counted.start()
    counted.wait_begun(1)
    robot.kill()
    counted.go.touch()
    flow.until(lambda: not robot.supervisors())

    flow.again(robot)

    assert flow.wait(job)["result"] == "1"
    assert Execution.objects.filter(job=job).count() == 1


def test_of_two_robots_with_one_identity_only_one_works_at_a_time(flow, counted):
    robot = flow.robot(slots=2)
    flow.until((robot.home / "spool" / "session.json").exists)
    copy = robot.home.with_name("copy")
    shutil.copytree(robot.home, copy)
    (copy / "lock").unlink()

    flow.again(robot, home=copy)
    flow.until(lambda: sessions_of(flow, robot) == 2)
    counted.go.touch()
    jobs = [counted.start() for _ in range(5)]

    assert {flow.wait(job)["status"] for job in jobs} == {"completed"}
    assert len(set(counted.begun())) == len(counted.begun()) == 5
    flow.until(lambda: "Another process holds this identity" in robot.messages())


def sessions_of(flow: Flow, robot: RunningRobot) -> int:
    return RobotSession.objects.filter(robot=flow.row(robot)).count()
