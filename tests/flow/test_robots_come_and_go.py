"""Robots that drain, restart, lose their key, and wait."""

from __future__ import annotations

import pytest
from django.db.models.functions import Now

from apps.events.models import Event
from apps.robots.models import RobotSession
from apps.runner import services as runner
from tests import make
from tests.flows import Flow

GREETS = "def main():\n    return 'hello'"
#: Ends once a file is there.
WAITS = """
import pathlib, time
def main(file: str):
    print("working", flush=True)
    while not pathlib.Path(file).exists():
        time.sleep(0.02)
    return "done"
"""


def sessions_of(flow: Flow, robot) -> int:
    return RobotSession.objects.filter(robot=flow.row(robot)).count()


def test_a_draining_robot_finishes_what_it_runs_and_takes_nothing_new(flow, tmp_path):
    robot = flow.robot(slots=2, labels=("drain",))
    process = flow.process(WAITS, required_labels=["drain"])
    first = flow.run(process, parameters={"file": str(tmp_path / "go")})
    flow.wait_for_log(first, "working")
    drain(flow, robot)

    second = flow.run(process, parameters={"file": str(tmp_path / "go")})
    (tmp_path / "go").touch()

    assert flow.wait(first)["result"] == "done"
    assert flow.job(second)["status"] == "pending"
    assert "robot_not_draining" in failing(flow, second)


def drain(flow: Flow, robot) -> None:
    flow.call("POST", f"/robots/{flow.row(robot).pk}/drain")
    seen = RobotSession.objects.get(robot=flow.row(robot), ended_at=None).seq
    flow.until(lambda: RobotSession.objects.get(robot=flow.row(robot), ended_at=None).seq > seen)


def failing(flow: Flow, job: str) -> str:
    return str(flow.call("GET", f"/jobs/{job}/why"))


def test_a_robot_asked_to_end_finishes_its_job_first(flow, tmp_path):
    robot = flow.robot(labels=("ends",))
    job = flow.run(flow.process(WAITS, required_labels=["ends"]), parameters={"file": str(tmp_path / "go")})
    flow.wait_for_log(job, "working")

    robot.process.terminate()
    (tmp_path / "go").touch()

    assert robot.wait(30) == 0
    assert flow.job(job)["result"] == "done"


def test_a_robot_that_starts_again_is_the_same_robot_and_works_on(flow):
    robot = flow.robot(labels=("restart",))
    process = flow.process(GREETS, required_labels=["restart"])
    flow.wait(flow.run(process))
    robot.process.terminate()
    robot.wait()

    flow.again(robot)

    assert flow.wait(flow.run(process))["result"] == "hello"
    assert sessions_of(flow, robot) == 2


def test_a_job_outlives_its_killed_robot_and_is_taken_over_by_the_next(flow, tmp_path):
    robot = flow.robot(labels=("killed",))
    job = flow.run(flow.process(WAITS, required_labels=["killed"]), parameters={"file": str(tmp_path / "go")})
    flow.wait_for_log(job, "working")
    robot.kill()

    flow.again(robot)
    flow.until(lambda: sessions_of(flow, robot) == 2)
    (tmp_path / "go").touch()

    assert flow.wait(job)["result"] == "done"
    assert len(flow.executions(job)) == 1


def test_a_new_key_for_the_machine_ends_the_session_and_settles_what_ran(flow, tmp_path):
    robot = flow.robot(labels=("key",))
    job = flow.run(flow.process(WAITS, required_labels=["key"]), parameters={"file": str(tmp_path / "never")})
    flow.wait_for_log(job, "working")

    runner.regenerate_key(flow.row(robot).machine, actor=make.SYSTEM)

    ended = flow.wait(job)
    assert (ended["status"], ended["reason"]) == ("failed", "lost")
    assert not RobotSession.objects.filter(robot=flow.row(robot), ended_at=None).exists()
    flow.until(lambda: "does not accept this robot's token" in robot.messages())


@pytest.fixture(scope="module")
def waiting_robot(flow_with_live: Flow):
    """A robot that waits at ``live``."""
    robot = flow_with_live.robot(slots=2)
    flow_with_live.until(
        lambda: RobotSession.objects.filter(robot__name=robot.home.name, waits_until__gt=Now()).exists()
    )
    return robot


class TestWithLive:
    """The robots of these tests would sync again in ten minutes, so whatever they do, they were woken for."""

    def test_new_work_goes_out_at_once(self, flow_with_live, waiting_robot):
        process = flow_with_live.process(GREETS)

        job = flow_with_live.run(process)

        assert flow_with_live.wait(job)["result"] == "hello"
        facts = Event.objects.filter(subject_id=job).order_by("seq").values_list("type", flat=True)
        assert list(facts) == ["job.created", "job.claimed", "job.started", "job.completed"]

    def test_a_cancel_arrives_at_once(self, flow_with_live, waiting_robot, tmp_path):
        job = flow_with_live.run(flow_with_live.process(WAITS), parameters={"file": str(tmp_path / "never")})
        flow_with_live.wait_for_log(job, "working")

        flow_with_live.ask(job, "cancel")

        assert flow_with_live.wait(job)["status"] == "cancelled"
