"""The lanes of a worker, as processes: each dies alone, comes back, and ends with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import psutil
import pytest

from tests.orchestrator.processes import eventually, numbers_in, runs
from tests.roles import CHECKOUT

LANES = """
import os, sys, time
from pathlib import Path
from orchestrator import lanes
from orchestrator.supervisor.children import BackOff

folder = Path(sys.argv[1])

def work(queue, tell_ready):
    with (folder / queue).open("a") as file:
        file.write(f"{os.getpid()}\\n")
    if queue == "fails":
        sys.exit(3)
    tell_ready()
    time.sleep(600)

lanes.keep_running(sys.argv[2:], work, on_ready=(folder / "ready").touch, back_off=BackOff(first=0.05, cap=0.05))
"""


@contextmanager
def lanes(folder, *queues):
    """Run lanes until the end of the block; yields the process that keeps them."""
    log = folder / "log"
    with log.open("wb") as output:
        command = [sys.executable, "-c", LANES, str(folder), *queues]
        process = subprocess.Popen(command, cwd=CHECKOUT, stdout=output, stderr=output, start_new_session=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_each_queue_has_a_process_of_its_own(tmp_path):
    with lanes(tmp_path, "one", "two") as parent:
        eventually((tmp_path / "ready").exists)

        children = {child.pid for child in psutil.Process(parent.pid).children()}
        assert children == {*numbers_in(tmp_path / "one"), *numbers_in(tmp_path / "two")}
        assert len(children) == 2


def test_a_lane_that_is_killed_comes_back_and_the_others_do_not_notice(tmp_path):
    with lanes(tmp_path, "one", "two"):
        eventually((tmp_path / "ready").exists)

        os.kill(numbers_in(tmp_path / "one")[0], signal.SIGKILL)
        eventually(lambda: len(numbers_in(tmp_path / "one")) == 2)

        assert len(numbers_in(tmp_path / "two")) == 1
        assert "was ended by SIGKILL" in (tmp_path / "log").read_text()


def test_a_lane_that_never_works_keeps_the_worker_from_being_ready(tmp_path):
    with lanes(tmp_path, "fails", "two"):
        eventually(lambda: len(numbers_in(tmp_path / "fails")) == 3)

        assert not (tmp_path / "ready").exists()
        assert "ended with exit code 3" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_all_end_when_the_worker_is_asked_to(tmp_path, number):
    with lanes(tmp_path, "one", "two") as parent:
        eventually((tmp_path / "ready").exists)

        parent.send_signal(number)

        assert parent.wait(30) == 0
        assert not [pid for name in ("one", "two") for pid in numbers_in(tmp_path / name) if runs(pid)]


def test_ctrl_c_which_all_of_them_get_ends_them_once(tmp_path):
    with lanes(tmp_path, "one", "two") as parent:
        eventually((tmp_path / "ready").exists)

        os.killpg(parent.pid, signal.SIGINT)

        assert parent.wait(30) == 0
        assert (tmp_path / "log").read_text() == ""


def test_no_lane_outlives_a_worker_that_is_killed(tmp_path):
    with lanes(tmp_path, "one", "two") as parent:
        eventually((tmp_path / "ready").exists)
        lane = numbers_in(tmp_path / "one")[0]

        parent.kill()

        eventually(lambda: not runs(lane))
