"""Clocks that jump, processes that are frozen, machines that sleep, servers that are away for hours."""

import json
import signal
import time

import psutil
import pytest

from tests import robots_at_work
from tests.robot.interfering import Clocks
from tests.robot.packages import package
from tests.robot.stand_in import MACHINE_KEY

YEAR = 365 * 24 * 3600.0
HOUR = 3600.0
LEASE_OF_HOURS = 2.5 * HOUR
WORKS_UNTIL_TOLD = """
    import os, signal, time
    def main(directory):
        signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.7), effect(directory)))
        print("begun", os.getpid(), flush=True)
        while not os.path.exists(f"{directory}/go"):
            time.sleep(0.02)
        print("ended")
        return 1
    def effect(directory):
        open(f"{directory}/effect", "w").close()
"""


@pytest.fixture
def clocks(tmp_path):
    return Clocks(tmp_path / "clocks")


@pytest.fixture
def job(server, tmp_path):
    return server.add_job(server.add_package(package(WORKS_UNTIL_TOLD)), parameters={"directory": str(tmp_path)})


def begun(server, job):
    server.wait_until(lambda: job.executions and b"begun" in job.last.log)
    child = psutil.Process(int(job.last.messages("stdout")[0].split()[1]))
    return child, child.parent()


def deadline(home):
    return json.loads(next(home.glob("spool/executions/*/control.json")).read_text())["deadline"]


# The clock on the wall


@pytest.mark.parametrize("years", [-30, 30])
def test_a_wall_clock_that_is_wrong_by_years_changes_nothing(server, start_robot, clocks, job, tmp_path, years):
    clocks.move("wall", years * YEAR)
    start_robot(environ=clocks.environ)
    begun(server, job)

    clocks.move("wall", -years * YEAR)

    before = len(job.last.renewals)
    server.wait_until(lambda: len(job.last.renewals) > before + 2)
    (tmp_path / "go").touch()
    server.wait_for_end(job)
    assert (job.report["result"], len(job.executions)) == (1, 1)
    assert all(0 <= told.get("running_for", 0) < 60 for told in job.last.renewals)
    told = server.calls("sync")[-1].body["metrics"]["clock"] - time.time()
    assert abs(told + years * YEAR) < HOUR


def test_what_is_kept_for_a_time_stays_where_the_clock_is_set_ahead(server, start_robot, clocks, home):
    job = server.add_job(server.add_package(package("def main(): return 1")))
    robot = start_robot(environ=clocks.environ)
    server.wait_for_end(job)
    record = home / "spool" / "executions" / job.last.id
    robot.wait_until((record / "delivery.json").exists)

    clocks.move("wall", YEAR)
    after_cleaning(robot, clocks, HOUR)
    assert record.exists()

    after_cleaning(robot, clocks, 25 * HOUR)
    assert not record.exists()


def after_cleaning(robot, clocks, ahead):
    """Let time pass, and wait until the robot has gone twice through all that is due then."""
    for seconds in (ahead, ahead + 60):
        note = robot.home / "status.json"
        before = note.stat().st_mtime_ns
        clocks.move("steady", seconds)
        robot.wait_until(lambda note=note, before=before: note.stat().st_mtime_ns != before)


# A machine that slept, processes that were frozen


def test_a_job_whose_machine_slept_beyond_its_lease_is_killed_at_once_and_reported(
    server, start_robot, clocks, job, tmp_path
):
    server.settings["lease_ttl"] = 30
    robot = start_robot(environ=clocks.environ)
    begun(server, job)
    server.faults.delay("sync", 10, times=50)
    server.wait_until(lambda: len(server.calls("sync")) > 0)

    clocks.move("steady", HOUR)

    robot.wait_until(lambda: list(robot.home.glob("spool/executions/*/result.json")))
    server.lose(job)
    server.faults.clear()
    server.wait_until(lambda: server.late_results)
    assert server.late_results[0]["report"]["error"]["type"] == "LeaseLost"
    assert not (tmp_path / "effect").exists()


def test_a_job_ends_with_its_lease_also_where_everything_that_watches_it_is_frozen(server, start_robot, job, tmp_path):
    server.settings["lease_ttl"] = 2
    robot = start_robot()
    child, supervisor = begun(server, job)

    robot.signal(signal.SIGSTOP)
    supervisor.suspend()

    robot.wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    server.lose(job)
    supervisor.resume()
    robot.signal(signal.SIGCONT)
    server.wait_until(lambda: server.late_results)
    assert server.late_results[0]["report"]["error"]["type"] == "LeaseLost"
    assert not (tmp_path / "effect").exists()


# A server that is away for hours


@pytest.fixture
def working(server, start_robot, clocks, job):
    """A robot in the middle of a job, whose clock can be moved."""
    job.lease["ttl"] = LEASE_OF_HOURS
    robot = start_robot(environ=clocks.environ)
    begun(server, job)
    return robot


def let_hours_pass(robot, clocks, hours):
    """Move the clock in steps that the lease outlasts, each once the robot has been refused again."""
    true = time.clock_gettime(time.CLOCK_BOOTTIME)
    for passed in range(1, hours + 1):
        clocks.move("steady", passed * HOUR)
        enough = true + passed * HOUR + LEASE_OF_HOURS * 0.8
        robot.wait_until(lambda enough=enough: deadline(robot.home) >= enough)


def test_while_the_server_is_away_for_a_shift_jobs_end_and_their_results_and_logs_arrive_afterwards_once(
    server, clocks, job, working, tmp_path
):
    with server.away():
        let_hours_pass(working, clocks, 8)
        (tmp_path / "go").touch()
        working.wait_until(lambda: "waits: " in working.messages())

    server.wait_for_end(job)
    working.wait_until(lambda: "says accepted" in working.messages())
    assert (job.report["result"], len(job.executions)) == (1, 1)
    assert job.last.messages("stdout")[1:] == ["ended"]
    assert [call.body["outcome"] for call in server.calls("finish")] == ["completed"]


def test_a_token_revoked_while_the_server_was_away_is_replaced_by_the_key_and_the_result_arrives(
    server, clocks, job, working, tmp_path
):
    with server.away():
        (tmp_path / "go").touch()
        working.wait_until(lambda: "waits: " in working.messages())
        server.tokens.clear()

    server.wait_for_end(job, 60)
    assert job.report["result"] == 1


def test_without_a_key_a_revoked_token_leaves_the_result_waiting_and_says_what_to_do(
    server, start_robot, home, job, tmp_path
):
    robots_at_work.run_command("enroll", server.url, "--key", MACHINE_KEY, "--home", str(home))
    robot = start_robot(url=None, key=None)
    begun(server, job)
    server.tokens.clear()
    (tmp_path / "go").touch()
    robot.wait_until(lambda: "waits: " in robot.messages() and "Enrol it again" in robot.messages())
    robot.wait_until(lambda: "Enrol it again" in (home / "status.json").read_text())

    shown = json.loads(robots_at_work.run_command("status", "--home", str(home)).stdout)
    is_running = robot.process.poll() is None
    robots_at_work.run_command("enroll", server.url, "--key", MACHINE_KEY, "--home", str(home))

    server.wait_for_end(job, 60)
    assert is_running
    assert f"bv-robot enroll {server.url} --key KEY" in shown["trouble"]
    assert shown["undelivered"] == 1
    assert job.report["result"] == 1
