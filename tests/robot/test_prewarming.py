"""``bv-robot prewarm``: environments that are there before a job waits for them."""

import json
import subprocess

import pytest

from tests import robots_at_work
from tests.robot.packages import package, wheel
from tests.robot.stand_in import MACHINE_KEY

USES_LIBRARY = "import tinylib\ndef main():\n    return tinylib.VERSION"


@pytest.fixture
def enrolled(server, home):
    """A home of a robot that the server knows."""
    robots_at_work.run_command("enroll", server.url, "--key", MACHINE_KEY, "--home", str(home))
    return home


@pytest.fixture
def content(tmp_path):
    return package(USES_LIBRARY, lock=f"tinylib @ file://{wheel(tmp_path)}\n")


def prewarm(home, *options):
    return robots_at_work.run_command("prewarm", *options, "--home", str(home))


def told(done):
    return [json.loads(line)["message"] for line in done.stdout.splitlines()]


def complaints(done):
    return [json.loads(line)["error"] for line in done.stderr.splitlines()]


def environments_in(home):
    return [path for path in (home / "environments").iterdir() if path.is_dir()]


def test_what_the_robot_may_run_is_made_ready_and_its_steps_are_told(server, enrolled, content):
    server.processes = [("Invoices", (held := server.add_package(content))), ("Reminders", held)]

    done = prewarm(enrolled)

    first, second, third, summary = told(done)
    assert done.returncode == 0
    assert first == "invoices 1.0.0 (Invoices, Reminders): preparing"
    assert second == "invoices 1.0.0 (Invoices, Reminders): Building the environment from requirements.lock."
    assert third == "invoices 1.0.0 (Invoices, Reminders): ready"
    assert summary == "1 ready, 0 failed"
    assert len(environments_in(enrolled)) == 1
    assert [path.name for path in enrolled.glob("prewarm-*")] == []


def test_where_there_is_nothing_to_prepare_that_is_said(server, enrolled):
    done = prewarm(enrolled)

    assert done.returncode == 0
    assert told(done) == ["Nothing to prepare: no process that this robot may run has a package now"]


def test_a_job_finds_the_environment_that_was_prewarmed(server, enrolled, content, start_robot):
    held = server.add_package(content)
    server.processes = [("Invoices", held)]
    prewarm(enrolled)
    job = server.add_job(held)

    start_robot(key=None, url=None)

    server.wait_for_end(job)
    assert job.report["result"] == "1.0"
    assert "Building the environment from requirements.lock." not in job.last.messages("robot")


def test_only_the_processes_that_are_named_are_prewarmed(server, enrolled, content):
    server.processes = [("Invoices", server.add_package(content)), ("Other", server.add_package(b"broken"))]

    done = prewarm(enrolled, "--process", "Invoices")

    assert done.returncode == 0
    assert told(done)[-1] == "1 ready, 0 failed"


def test_what_fails_is_named_and_the_rest_is_made_ready_all_the_same(server, enrolled, content, tmp_path):
    missing = package("def main(): pass", lock=f"ghost @ file://{tmp_path}/ghost-1.0-py3-none-any.whl\n")
    old = server.add_package(package("def main():\n    return 1"), name="old", python_version="3.2")
    server.processes = [
        ("Broken", server.add_package(missing, name="broken")),
        ("Old", old),
        ("Damaged", server.add_package(b"no archive", name="damaged")),
        ("Invoices", server.add_package(content)),
    ]

    done = prewarm(enrolled)

    broken, ancient, damaged = complaints(done)
    assert done.returncode == 1
    assert broken.startswith("broken 1.0.0 (Broken): The environment could not be built: Distribution not found")
    assert ancient.startswith("old 1.0.0 (Old): The package asks for Python 3.2, which this machine does not have")
    assert damaged.startswith("damaged 1.0.0 (Damaged): ")
    assert told(done)[-1] == "1 ready, 3 failed"


def test_a_process_that_this_robot_does_not_run_is_named(server, enrolled):
    done = prewarm(enrolled, "--process", "Ghost")

    assert done.returncode == 1
    assert complaints(done) == ["Ghost: this robot may not run such a process, or it has no package now"]


def test_one_that_was_never_enrolled_is_told_to_enrol(home):
    done = prewarm(home)

    assert done.returncode == 1
    assert "This robot is not enrolled" in complaints(done)[0]
    assert not home.exists()


def test_two_that_prewarm_at_once_build_each_environment_once(server, enrolled, content):
    server.processes = [("Invoices", server.add_package(content))]
    command = [robots_at_work.command(), "prewarm", "--home", enrolled]
    pipes = {"stdout": subprocess.PIPE, "text": True, "env": robots_at_work.clean_environ()}

    both = [subprocess.Popen(command, **pipes) for _ in range(2)]
    said = [one.communicate(timeout=60)[0] for one in both]

    assert [one.returncode for one in both] == [0, 0]
    assert sum("Building the environment" in text for text in said) == 1
    assert len(environments_in(enrolled)) == 1
