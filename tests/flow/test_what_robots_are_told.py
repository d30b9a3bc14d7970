"""What a real robot and a real server tell each other about the robot itself, and how it follows."""

from __future__ import annotations

import json

import psutil

from apps.jobs import services as jobs
from apps.jobs.models import Execution
from apps.robots import services as robots
from apps.robots.models import RobotSample, RobotSession
from tests import make
from tests.flows import Flow

WAITS = """
import pathlib, time
def main(file: str):
    print("working", flush=True)
    while not pathlib.Path(file).exists():
        time.sleep(0.02)
    print("told", flush=True)
    time.sleep(60)
"""


def session(flow: Flow, robot) -> RobotSession:
    return RobotSession.objects.filter(robot=flow.row(robot)).latest("id")


def status(robot) -> dict:
    path = robot.home / "status.json"
    return json.loads(path.read_text()) if path.exists() else {}


def test_a_robot_tells_of_its_machine_and_its_figures_are_kept(flow):
    robot = flow.robot()

    flow.until(lambda: RobotSample.objects.filter(robot_id=flow.row(robot).pk).exists())

    told = session(flow, robot)
    sample = RobotSample.objects.get(robot_id=flow.row(robot).pk)
    assert told.agent["processors"] == psutil.cpu_count()
    assert told.agent["memory"] == psutil.virtual_memory().total
    assert abs(told.metrics["clock_skew"]) < 5
    assert (told.metrics["spool_depth"], told.metrics["environments"]) == (0, 0)
    assert 0 < sample.disk < 1
    assert sample.load >= 0


def test_a_setting_pushed_to_a_robot_reaches_it_while_it_runs_and_can_be_taken_back(flow):
    robot = flow.robot()
    flow.until(lambda: status(robot).get("session"))
    row = flow.row(robot)

    robots.update_robot(row, actor=make.SYSTEM, pushed_settings={"disk_reserve_bytes": 2**40})
    flow.until(lambda: status(robot)["problem"] == "spool_full")
    robots.update_robot(row, actor=make.SYSTEM, pushed_settings={})

    flow.until(lambda: status(robot)["problem"] == "")
    assert f"Set for this robot alone: disk_reserve_bytes={2**40}" in robot.messages()


def test_a_log_that_somebody_reads_comes_long_before_its_time(flow, tmp_path):
    robot = flow.robot(labels=("watched",))
    row = flow.row(robot)
    robots.update_robot(row, actor=make.SYSTEM, pushed_settings={"log_every": 60})
    flow.until(lambda: "log_every=60" in robot.messages())
    process = flow.process(WAITS, required_labels=["watched"])
    job = flow.run(process, parameters={"file": str(tmp_path / "go")})
    flow.until(lambda: list(robot.home.glob("spool/executions/*/log.ndjson")))
    log = next(robot.home.glob("spool/executions/*/log.ndjson"))
    flow.until(lambda: b"working" in log.read_bytes())
    (tmp_path / "go").touch()
    flow.until(lambda: b"told" in log.read_bytes())

    jobs.watch_log(Execution.objects.get(job=job), actor=make.SYSTEM)

    flow.wait_for_log(job, "told")
    flow.ask(job, "kill")
    flow.wait(job)
