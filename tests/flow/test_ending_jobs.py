"""What ends a job before it ends by itself: cancel, kill, stop, time, and its robot."""

from __future__ import annotations

import psutil
import pytest

from tests.flows import Flow

#: Starts a process of its own, says both numbers, and ends only by being ended.
STUBBORN = """
import os, signal, subprocess, sys, time
def main():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print("pids", os.getpid(), child.pid, flush=True)
    time.sleep(600)
"""
WILLING = """
import signal, time
from bv_robot import job
def main():
    signal.signal(signal.SIGTERM, lambda *_: None)
    print("working", flush=True)
    while not job.is_cancelled():
        time.sleep(0.02)
    return "tidied up"
"""


@pytest.fixture(scope="module")
def robot(flow: Flow):
    """A robot for the tests of this file."""
    return flow.robot()


def running(flow: Flow, source: str, words: str, **fields) -> str:
    """A job that has come as far as to log ``words``."""
    job = flow.run(flow.process(source, **fields))
    flow.wait_for_log(job, words)
    return job


def processes_of(flow: Flow, job: str) -> list[int]:
    line = next(line for line in flow.log(job).splitlines() if "pids " in line)
    return [int(word) for word in line.split("pids ")[1].split()]


def are_gone(pids: list[int]) -> bool:
    return not [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]


def test_a_waiting_job_is_cancelled_at_once(flow):
    job = flow.run(flow.process(WILLING, required_labels=["nobody-has-this"]))

    cancelled = flow.ask(job, "cancel", reason="no longer needed")

    assert (cancelled["status"], cancelled["reason"]) == ("cancelled", "cancelled")
    assert flow.executions(job) == []


def test_a_cancel_reaches_the_robot_which_kills_all_that_the_job_started(flow, robot):
    job = running(flow, STUBBORN, "pids ")
    pids = processes_of(flow, job)

    assert flow.ask(job, "cancel")["status"] == "cancelling"

    assert flow.wait(job)["status"] == "cancelled"
    assert are_gone(pids)


def test_a_success_that_comes_before_the_kill_is_kept(flow, robot):
    job = running(flow, WILLING, "working", kill_grace=30)

    flow.ask(job, "cancel")

    ended = flow.wait(job)
    assert (ended["status"], ended["reason"]) == ("completed", "finished_before_cancel")
    assert ended["result"] == "tidied up"


def test_a_kill_takes_the_job_away_at_once_and_the_robot_ends_it(flow, robot):
    job = running(flow, STUBBORN, "pids ")
    pids = processes_of(flow, job)

    killed = flow.ask(job, "kill")

    assert (killed["status"], killed["reason"]) == ("cancelled", "killed")
    flow.until(lambda: are_gone(pids))


def test_a_stop_lets_the_job_end_by_itself(flow, robot):
    job = running(flow, WILLING, "working")

    flow.ask(job, "stop")

    ended = flow.wait(job)
    assert (ended["status"], ended["result"]) == ("completed", "tidied up")


def test_a_job_that_takes_too_long_is_ended(flow, robot):
    job = flow.run(flow.process(STUBBORN, timeout=1))

    ended = flow.wait(job)

    assert (ended["status"], ended["reason"]) == ("failed", "timeout")
    assert are_gone(processes_of(flow, job))


def test_a_disabled_robots_job_is_settled(flow):
    robot = flow.robot(labels=("alone",))
    job = running(flow, STUBBORN, "pids ", required_labels=["alone"])

    flow.call("POST", f"/robots/{flow.row(robot).pk}/disable", {"reason": "test"})

    ended = flow.wait(job)
    assert (ended["status"], ended["reason"]) == ("failed", "lost")
