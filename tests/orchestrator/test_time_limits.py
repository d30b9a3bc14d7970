"""A task that takes longer than it may ends its process."""

from __future__ import annotations

import subprocess
import sys

from orchestrator import time_limits
from tests.roles import CHECKOUT

TASK = """
import time
from celery import Celery
from orchestrator.time_limits import TimeLimits

TimeLimits().start()
app = Celery("tests")

@app.task(name="tests.nap", time_limit={limit})
def nap(seconds):
    time.sleep(seconds)

nap.apply(args=[{seconds}])
print("done")
"""


def napping(*, limit: object, seconds: float) -> subprocess.CompletedProcess[str]:
    code = TASK.format(limit=limit, seconds=seconds)
    return subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=False)


def test_a_task_that_takes_too_long_ends_its_process_and_is_named():
    ended = napping(limit=0.2, seconds=600)

    assert ended.returncode == time_limits.EXIT_CODE
    assert "task_took_too_long" in ended.stdout + ended.stderr
    assert "tests.nap" in ended.stdout + ended.stderr


def test_a_task_that_ends_in_time_is_left_alone():
    ended = napping(limit=60, seconds=0)

    assert (ended.returncode, ended.stdout) == (0, "done\n")


def test_a_task_without_a_limit_is_left_alone():
    assert napping(limit=None, seconds=1).returncode == 0
