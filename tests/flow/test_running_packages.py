"""A package on a robot, from the upload to the result."""

from __future__ import annotations

import pytest

from apps.jobs.models import Execution
from apps.packages import services as packages
from tests import make
from tests.flows import Flow


@pytest.fixture(scope="module")
def robot(flow: Flow):
    """A robot with two slots for the tests of this file."""
    return flow.robot(slots=2)


def execution_of(job: str) -> Execution:
    return Execution.objects.filter(job=job).order_by("-number")[0]


def test_an_example_is_built_uploaded_and_run(flow, robot):
    process = flow.process(package=flow.example("hello"))

    job = flow.run(process, parameters={"name": "Ada", "count": 2, "pause": 0})

    ended = flow.wait(job)
    assert ended["status"] == "completed"
    assert ended["result"] == {"greetings": ["Hello, Ada! (1 of 2)", "Hello, Ada! (2 of 2)"], "count": 2}


def test_the_defaults_of_a_process_stand_where_a_job_says_nothing(flow, robot):
    source = "def main(customer: str, amount: int = 1):\n    return [customer, amount]"
    process = flow.process(source, parameters={"customer": "Jones", "amount": 2})

    job = flow.run(process, parameters={"amount": 3})

    assert flow.wait(job)["result"] == ["Jones", 3]


def test_the_log_arrives_whole(flow, robot):
    source = "def main():\n    for number in range(20_000):\n        print(f'line {number} ' + 'x' * 40)"

    job = flow.run(flow.process(source))

    flow.wait(job)
    flow.until(lambda: execution_of(job).log_length == execution_of(job).log_final_length)
    execution = execution_of(job)
    assert execution.log_final_length > 1_000_000
    assert execution.log_crc32 == execution.log_final_crc32
    assert flow.log(job).count("line ") == 20_000


def test_a_failure_shows_its_traceback_and_ends_the_job(flow, robot):
    job = flow.run(flow.process("def main():\n    inner()\ndef inner():\n    raise KeyError('amount')"))

    ended = flow.wait(job)

    assert (ended["status"], ended["reason"]) == ("failed", "application_error")
    assert ended["error"]["type"] == "KeyError"
    assert "in inner" in ended["error"]["traceback"]


def test_a_failure_is_tried_again_as_often_as_its_process_says(flow, robot):
    source = "import os\ndef main():\n    assert os.environ['BV_EXECUTION_NUMBER'] == '2'\n    return 'second try'"
    process = flow.process(source, max_attempts=2, backoff_base=1, backoff_cap=1)

    ended = flow.wait(flow.run(process))

    assert (ended["status"], ended["result"]) == ("completed", "second try")
    assert [row["status"] for row in flow.executions(ended["id"])] == ["failed", "completed"]


def test_a_finished_job_is_run_again_as_a_new_one(flow, robot):
    first = flow.wait(flow.run(flow.process("def main(n: int):\n    return n"), parameters={"n": 7}))

    second = flow.ask(first["id"], "retry")

    assert flow.wait(second["id"])["result"] == 7
    assert second["retry_of"] == first["id"]


def test_two_slots_work_at_the_same_time(flow, robot, tmp_path):
    source = """
import pathlib, time
def main(mine: str, other: str):
    pathlib.Path(mine).touch()
    while not pathlib.Path(other).exists():
        time.sleep(0.05)
"""
    process = flow.process(source)
    one, two = str(tmp_path / "one"), str(tmp_path / "two")

    jobs = [flow.run(process, parameters={"mine": a, "other": b}) for a, b in ((one, two), (two, one))]

    assert [flow.wait(job)["status"] for job in jobs] == ["completed", "completed"]


def test_a_package_whose_file_was_changed_behind_our_back_is_not_run(flow, robot):
    version = make.package_version(flow.folder, source="def main():\n    return 'ran'")
    damage(version)

    ended = flow.wait(flow.run(flow.process(package=version.package)))

    assert (ended["status"], ended["reason"]) == ("failed", "package_error")
    assert ended["result"] is None


def damage(version) -> None:
    with open(packages.storage().path(version.storage_name), "r+b") as file:
        file.seek(40)
        file.write(b"damage")
