"""A real robot dies at each step of a job's life, and each time the job is done once and nothing is left of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.faults.proxy import Fault, FaultProxy, Request
from tests.faults.test_robot_killed import kill_whole
from tests.flows import Flow
from tests.robots_at_work import RunningRobot

#: Tells before it waits, so that there is a log to be on its way; its mark is in the environment of all it starts.
TALKS = """
import os, pathlib, time
def main(runs: str, go: str):
    with open(runs, "a") as file:
        print(os.environ["BV_EXECUTION_ID"], file=file, flush=True)
    print("I have begun")
    while not pathlib.Path(go).exists():
        time.sleep(0.02)
    print("I may end")
    return os.environ["BV_EXECUTION_NUMBER"]
"""


class Step:
    """Ends a robot once, at one step of its talk with the orchestrator."""

    def __init__(self, name: str, path: str, *, answered: bool, words: bytes = b"") -> None:
        self.name, self._path, self._answered, self._words = name, path, answered, words
        self._left = threading.Semaphore(1)
        self.came = threading.Event()

    def arm(self, proxy: FaultProxy, end: Callable[[], None]) -> None:
        """Have ``end`` called when the step comes: before the server has seen it, or before its answer arrives."""

        def decide(request: Request) -> Fault:
            if self._answered or not self._is_it(request, self._words):
                return Fault.NONE
            return self._strike(end, Fault.LOSE_REQUEST)

        def witness(request: Request, reply: bytes) -> None:
            if self._answered and self._is_it(request, reply):
                self._strike(end, Fault.NONE)

        proxy.decide, proxy.witness = decide, witness

    def _is_it(self, request: Request, text: bytes) -> bool:
        return request.path.partition("?")[0].endswith(self._path) and self._words in text

    def _strike(self, end: Callable[[], None], fault: Fault) -> Fault:
        if not self._left.acquire(blocking=False):
            return Fault.NONE
        end()
        self.came.set()
        return fault


def steps() -> list[Step]:
    return [
        Step("before the lease is written down", "/sync", answered=True, words=b'"lease":'),
        Step("before the start is known", "/start", answered=False),
        Step("after the start", "/start", answered=True),
        Step("in the middle of the log", "/log", answered=True),
        Step("before the end is told", "/finish", answered=False),
        Step("after the end and before its answer", "/finish", answered=True),
    ]


def marked(mark: str) -> list[int]:
    """Every process of this machine that has a text in its environment, besides ourselves."""
    return [process.pid for process in psutil.process_iter(["environ"]) if mark in str(process.info["environ"])]


@pytest.fixture
def go(tmp_path: Path) -> Path:
    return tmp_path / "go"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    made = tmp_path / "runs"
    made.touch()
    return made


def begin(flow: Flow, runs: Path, go: Path) -> str:
    process = flow.process(TALKS, max_attempts=3, backoff_base=1, backoff_cap=1)
    return flow.run(process, parameters={"runs": str(runs), "go": str(go)})


def assert_done_once(flow: Flow, job: str, runs: Path) -> None:
    """The job is completed by one try, no try ran twice, and nothing of any of them is left."""
    assert flow.wait(job)["status"] == "completed"
    tries = flow.executions(job)
    assert sum(row["status"] in {"completed", "adopted"} for row in tries) == 1
    begun = runs.read_text().split()
    assert len(begun) == len(set(begun))
    assert set(begun) <= {row["id"] for row in tries}
    assert "I have begun" in flow.log(job)
    flow.until(lambda: not marked(f"'BV_JOB_ID': '{job}'"))


@pytest.mark.parametrize("step", steps(), ids=lambda step: step.name)
@pytest.mark.parametrize("end", [RunningRobot.kill, kill_whole], ids=["the listener", "everything"])
def test_killed_at_any_step_the_job_is_done_once(flow, proxy, runs, go, step, end):
    robot = flow.robot(url=proxy.url)
    flow.until((robot.home / "spool" / "session.json").exists)
    step.arm(proxy, lambda: end(robot))
    job = begin(flow, runs, go)
    go.touch()

    assert step.came.wait(60), robot.messages()
    flow.again(robot)

    assert_done_once(flow, job, runs)


def test_a_robot_whose_clock_is_years_wrong_works_as_any_other(flow, runs, go, tmp_path):
    future = tmp_path / "future"
    future.mkdir()
    (future / "sitecustomize.py").write_text("import time\nreal = time.time\ntime.time = lambda: real() + 3e8\n")
    flow.robot(environ={"PYTHONPATH": str(future)})
    job = begin(flow, runs, go)
    flow.until(lambda: runs.read_text())
    flow.until(lambda: flow.executions(job)[0]["status"] == "running")
    go.touch()

    assert_done_once(flow, job, runs)
    assert len(flow.executions(job)) == 1


def test_twenty_jobs_on_four_slots_are_each_done_once_and_never_more_than_four_at_a_time(flow, tmp_path):
    robot = flow.robot(slots=4)
    beside = tmp_path / "beside"
    beside.mkdir()
    process = flow.process(COUNTS_NEIGHBOURS)

    jobs = [flow.run(process, parameters={"beside": str(beside)}) for _ in range(20)]
    results = [int(flow.wait(job)["result"]) for job in jobs]

    assert 2 <= max(results) <= 4
    assert {len(flow.executions(job)) for job in jobs} == {1}
    flow.until(lambda: not robot.supervisors())


#: How many jobs run beside it, itself included, at the moment when it has run for a while.
COUNTS_NEIGHBOURS = """
import os, pathlib, time
def main(beside: str):
    here = pathlib.Path(beside, os.environ["BV_EXECUTION_ID"])
    here.touch()
    time.sleep(0.5)
    together = len(list(pathlib.Path(beside).iterdir()))
    here.unlink()
    return together
"""

#: Everything a job should not do: children deaf to every request to end, in sessions of their own, and ugly output.
BEHAVES_BADLY = r"""
import os, signal, subprocess, sys, time
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
def main():
    subprocess.Popen([sys.executable, "-c", DEAF], start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
    line = b"x" * 1023 + b"\n"
    for _ in range(50 * 1024):
        os.write(1, line)
    os.write(1, bytes(range(256)) + b"\xff\xfe\xc3(" + b"no newline at the end")
    return "done"
"""


def test_a_job_that_behaves_as_badly_as_it_can_is_done_its_log_whole_and_nothing_left(flow):
    robot = flow.robot()
    job = flow.run(flow.process(BEHAVES_BADLY))

    done = flow.wait(job)

    assert (done["status"], done["result"]) == ("completed", "done")
    flow.until(lambda: flow.executions(job)[-1]["log"]["complete"])  # Of a long log the most comes after the result.
    log = flow.log(job)
    assert log.count("x" * 1023) == 50 * 1024
    assert "no newline at the end" in log
    assert "left something running" in log
    flow.until(lambda: not marked(f"'BV_JOB_ID': '{job}'") and not robot.supervisors())


def test_frozen_beyond_its_lease_with_its_job_the_job_goes_on_elsewhere_and_nothing_is_left(flow, runs, go):
    robot = flow.robot()
    job = begin(flow, runs, go)
    flow.until(lambda: runs.read_text())
    frozen = [process.pid for process in [psutil.Process(robot.pid), *robot.supervisors()]]
    for pid in frozen:
        psutil.Process(pid).suspend()

    flow.robot()
    flow.until(lambda: len(runs.read_text().split()) == 2)
    for pid in frozen:
        psutil.Process(pid).resume()
    go.touch()

    assert_done_once(flow, job, runs)
    assert [row["status"] for row in flow.executions(job)] == ["lost", "completed"]


def test_a_spool_damaged_bit_by_bit_loses_no_more_than_the_try(flow, runs, go):
    robot = flow.robot()
    job = begin(flow, runs, go)
    flow.until(lambda: runs.read_text())
    kill_whole(robot)
    damaged = [path for path in (robot.home / "spool").rglob("*") if path.is_file()]
    for number, path in enumerate(damaged):
        flip_bit(path, number)

    flow.again(robot)
    flow.until(lambda: len(runs.read_text().split()) == 2)
    go.touch()

    assert_done_once(flow, job, runs)
    assert (robot.home / "spool" / "quarantine").is_dir()


def flip_bit(path: Path, number: int) -> None:
    data = bytearray(path.read_bytes() or b"?")
    data[number * 37 % len(data)] ^= 1 << number % 8
    path.write_bytes(data)
    os.utime(path)


def test_a_network_that_hangs_half_open_in_the_middle_of_a_job_delays_its_end_and_no_more(flow, proxy, runs, go):
    flow.robot(url=proxy.url)
    job = begin(flow, runs, go)
    flow.until(lambda: runs.read_text())

    proxy.freeze()
    go.touch()
    flow.until(lambda: flow.executions(job)[0]["status"] == "lost")
    proxy.thaw()

    assert_done_once(flow, job, runs)


def test_the_orchestrator_starting_again_in_the_middle_of_a_job_is_outlived(flow, plant, runs, go):
    flow.robot()
    job = begin(flow, runs, go)
    flow.until(lambda: runs.read_text())

    plant.kill("web")
    plant.kill("worker")
    go.touch()
    plant.wait_ready("web", "worker")

    assert_done_once(flow, job, runs)
    assert len(flow.executions(job)) == 1
