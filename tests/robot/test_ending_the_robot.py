"""Draining, stopping, and ending by itself."""

import signal

import pytest

from tests.robot.packages import package

WAITS_FOR_A_FILE = """
    import os, time
    def main(go):
        print("begun", flush=True)
        while not os.path.exists(go):
            time.sleep(0.05)
        return "ended"
"""


@pytest.fixture
def job(server, tmp_path):
    return server.add_job(server.add_package(package(WAITS_FOR_A_FILE)), parameters={"go": str(tmp_path / "go")})


@pytest.fixture
def robot(server, start_robot, job):
    started = start_robot()
    server.wait_until(lambda: job.executions and b"begun" in job.last.log)
    return started


def test_a_first_sigterm_finishes_what_runs_and_takes_nothing_new(server, robot, job, tmp_path):
    server.slots = 2

    robot.signal(signal.SIGTERM)

    robot.wait_until(lambda: "Draining" in robot.messages())
    waiting = server.add_job(server.add_package(package("def main(): pass")))
    server.wait_until(lambda: server.calls("sync")[-1].body["state"] == {"accepting": False, "problem": "stopping"})
    (tmp_path / "go").touch()
    assert robot.wait() == 0
    assert job.report["result"] == "ended"
    assert waiting.executions == []


@pytest.mark.parametrize("signals", [[signal.SIGTERM, signal.SIGTERM], [signal.SIGINT]], ids=["twice", "interrupt"])
def test_a_stop_at_once_ends_and_reports_what_runs(server, robot, job, signals):
    for number in signals:
        robot.signal(number)
        robot.wait_until(lambda: "Draining" in robot.messages() or "Stopping" in robot.messages())

    assert robot.wait() == 0
    assert job.report["error"]["type"] == "RobotStopped"
    assert job.report["error"]["code"] == "robot_stopped"
    assert robot.supervisors() == []


def test_a_stop_at_once_gives_a_lease_back_whose_job_has_not_begun(server, start_robot):
    server.faults.answer("start", 503, times=1000)
    job = server.add_job(server.add_package(package("def main(): pass")))
    robot = start_robot()
    server.wait_until(lambda: server.calls("start"))

    assert robot.stop() == 0

    assert [execution.status for execution in job.executions] == ["released"]


def test_a_result_that_cannot_be_delivered_while_stopping_waits_for_the_next_start(server, start_robot, robot, job):
    server.faults.answer("finish", 503, times=1000)

    assert robot.stop() == 0

    server.faults.clear()
    start_robot()
    server.wait_for_end(job)
    assert job.report["error"]["type"] == "RobotStopped"
    assert job.report["error"]["code"] == "robot_stopped"


def test_a_drain_ordered_by_the_server_takes_nothing_new_and_goes_on(server, robot, job, tmp_path):
    server.slots, server.draining = 2, True
    server.wait_until(lambda: server.calls("sync")[-1].body["wishes"] == [])

    (tmp_path / "go").touch()

    server.wait_for_end(job)
    server.draining = False
    again = server.add_job(server.add_package(package("def main(): return 2")))
    server.wait_for_end(again)
    assert robot.process.poll() is None


def test_a_robot_that_runs_until_idle_ends_when_everything_is_done(server, start_robot):
    jobs = [server.add_job(server.add_package(package(f"def main(): return {number}"))) for number in range(3)]

    robot = start_robot(flags=("--until-idle",))

    assert robot.wait() == 0
    assert [job.report["result"] for job in jobs] == [0, 1, 2]


def test_a_robot_says_how_a_job_ended_and_not_what_its_code_said(server, start_robot):
    job = server.add_job(server.add_package(package("def main(): raise ValueError('about a customer')")))

    robot = start_robot(flags=("--until-idle",))

    robot.wait()
    assert f"job {job.id}: failed (ValueError); the orchestrator says accepted" in robot.messages()
    assert "about a customer" not in robot.messages()
