"""Several robots of one machine, robots that come for one job, and what a robot does for itself between jobs."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models.functions import Now

from apps.audit.models import AuditEntry
from apps.robots import services as robots
from apps.robots.models import Machine, Robot, RobotSession, RobotToken
from tests import make, robots_at_work
from tests.flows import Flow
from tests.robot.packages import MANIFEST, package, wheel

GREETS = "import os\ndef main():\n    return os.environ['BV_ROBOT_NAME']"
#: Ends once a file is there.
WAITS = """
import os, pathlib, time
def main(file: str):
    print("working", flush=True)
    while not pathlib.Path(file).exists():
        time.sleep(0.02)
    return os.environ["BV_ROBOT_NAME"]
"""


def start(flow: Flow, home: Path, **given):
    """Start ``bv-robot run`` for a robot that nobody has made before."""
    robot = robots_at_work.start(home=home, url=flow.url, **given)
    flow.robots.append(robot)
    return robot


# Several on one machine


def test_two_robots_of_one_machine_take_a_job_each(flow, tmp_path):
    machine, key = flow.machine()
    name = f"pair-{time.monotonic_ns()}"
    home = tmp_path / "home"

    keeper = start(flow, home, key=key, name=name, flags=("--robots", "2"))
    flow.until(lambda: RobotSession.objects.filter(robot__machine=machine, ended_at=None).count() == 2)
    Robot.objects.filter(machine=machine).update(labels=[name])
    process = flow.process(WAITS, required_labels=[name])
    jobs = [flow.run(process, parameters={"file": str(tmp_path / "go")}) for _ in range(2)]
    for job in jobs:
        flow.wait_for_log(job, "working")
    keeper.process.terminate()
    (tmp_path / "go").touch()

    assert sorted(flow.wait(job)["result"] for job in jobs) == [f"{name}-1", f"{name}-2"]
    assert keeper.wait() == 0
    assert sorted(path.name for path in (home / "robots").iterdir() if path.is_dir()) == [f"{name}-1", f"{name}-2"]


# For one job


@pytest.fixture
def start_once(flow, tmp_path):
    """Start ``run --once`` with an enrolment key in its environment, as in a container; returns it and its key."""
    label = f"once-{time.monotonic_ns()}"
    key, text = make.enrolment_key_with_text(flow.tenant, name=label, labels=[label])

    def begin(*flags: str, name: str | None = None):
        environ = {"ORCHESTRATOR_URL": flow.url, "ORCHESTRATOR_API_KEY": text}
        robot = robots_at_work.start(home=tmp_path / "home", name=name, flags=("--once", *flags), environ=environ)
        flow.robots.append(robot)
        return robot

    begin.label, begin.key = label, key
    return begin


def left_behind(key) -> list[str]:
    """What is still listed of the machines and robots that a key has made."""
    machines = Machine.objects.filter(made_by=key)
    stayed = Robot.objects.alive().filter(machine__in=machines)
    return [row.name for row in (*machines.filter(deleted_at=None), *stayed)]


@pytest.mark.parametrize(
    ("source", "code", "status"),
    [("def main(): return 1", 0, "completed"), ("def main(): raise ValueError('no')", 3, "failed")],
    ids=["completed", "failed"],
)
def test_a_robot_for_one_job_says_how_it_ended_and_leaves(flow, start_once, source, code, status):
    job = flow.run(flow.process(source, required_labels=[start_once.label]))

    robot = start_once()

    assert robot.wait() == code, robot.messages()
    assert flow.job(job)["status"] == status
    assert left_behind(start_once.key) == []
    assert flow.executions(job)[0]["robot"]["name"]  # Its history names it still.
    assert "bvt_" not in robot.output.read_text()


def test_a_robot_for_one_job_is_told_that_it_was_cancelled(flow, start_once, tmp_path):
    process = flow.process(WAITS, required_labels=[start_once.label])
    job = flow.run(process, parameters={"file": str(tmp_path / "never")})
    robot = start_once()
    flow.wait_for_log(job, "working")

    flow.ask(job, "cancel")

    assert robot.wait() == 4, robot.messages()
    assert flow.job(job)["status"] == "cancelled"
    assert left_behind(start_once.key) == []


def test_a_robot_for_one_job_that_is_ended_hands_it_back(flow, start_once, tmp_path):
    process = flow.process(WAITS, required_labels=[start_once.label], max_attempts=2)
    job = flow.run(process, parameters={"file": str(tmp_path / "never")})
    robot = start_once()
    flow.wait_for_log(job, "working")

    robot.process.terminate()

    assert robot.wait() == 7, robot.messages()
    assert flow.job(job)["status"] == "pending"
    assert left_behind(start_once.key) == []


def test_a_robot_for_one_job_leaves_where_none_comes(flow, start_once):
    robot = start_once("--idle-timeout", "0.5")

    assert robot.wait() == 5, robot.messages()
    assert left_behind(start_once.key) == []


# Its token


def identity_in(home: Path) -> dict:
    return json.loads((home / "identity.json").read_text())


def let_its_token_end_soon(robot: Robot, home: Path) -> str:
    """A token that was good for 90 days is good for an hour more; returns it."""
    RobotToken.objects.filter(robot=robot).update(expires_at=Now() + timedelta(hours=1))
    identity = identity_in(home)
    (home / "identity.json").write_text(json.dumps(identity | {"token_lifetime": 90 * 24 * 3600.0}))
    return str(identity["api_token"])


def test_a_robot_replaces_its_token_in_time_and_works_on(flow):
    robot = flow.robot(labels=("rotates",))
    flow.wait(flow.run(flow.process(GREETS, required_labels=["rotates"])))
    robot.stop()
    former = let_its_token_end_soon(flow.row(robot), robot.home)

    again = flow.again(robot)
    flow.until(lambda: "replaced by a fresh one" in again.messages())
    job = flow.run(flow.process(GREETS, required_labels=["rotates"]))

    assert flow.wait(job)["result"] == robot.home.name
    stored = identity_in(robot.home)
    assert (stored["former_token"], RobotToken.matching(stored["api_token"]).robot) == (former, flow.row(robot))
    assert AuditEntry.objects.about(flow.row(robot)).filter(action="robot.token_rotated").count() == 1


# Ahead of a job


def test_what_was_prewarmed_is_what_the_job_then_runs_on(flow, tmp_path):
    name = f"warm-{time.monotonic_ns()}"
    file = tmp_path / f"{name}.bvpackage"
    lock = f"tinylib @ {wheel(tmp_path).as_uri()}\n"
    source = "import sys, tinylib\ndef main():\n    return [tinylib.VERSION, sys.prefix]"
    file.write_bytes(package(source, lock=lock, bvproject__yaml=MANIFEST.replace("invoices", name)))
    process = flow.process(package=flow.upload(file)["package"]["id"], name=name, required_labels=[name])
    machine, key = flow.machine()
    robots.create_robot(machine, actor=make.SYSTEM, name=name, labels=[name])
    home = tmp_path / "home"
    robots_at_work.run_command("enroll", flow.url, "--key", key, "--name", name, "--home", str(home))

    warmed = robots_at_work.run_command("prewarm", "--process", name, "--home", str(home))

    assert warmed.returncode == 0, warmed.stdout + warmed.stderr
    (environment,) = [path for path in (home / "environments").iterdir() if path.is_dir()]
    start(flow, home)
    job = flow.run(process)
    assert flow.wait(job)["result"] == ["1.0", str(environment)]
    assert "Building" not in flow.log(job)
