"""How a job's process ended, in words that help."""

import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bv_robot import deaths
from bv_robot.deaths import Death

from tests.robot.packages import package

WORK = Path("/work/of/a/job")


def test_a_crash_in_native_code_is_named_and_its_traceback_is_in_the_log(done):
    source = """
        import ctypes
        def strike():
            ctypes.string_at(0)
        def main():
            strike()
    """
    job = done(source)

    told = job.report["error"]["message"]
    assert told.startswith("The job's process was ended by signal 11 (segmentation fault) before it gave an answer.")
    assert job.report["exit_code"] == -11
    said = "\n".join(job.last.messages("stderr"))
    assert "Fatal Python error: Segmentation fault" in said
    assert "in strike" in said


def test_a_job_leaves_no_core_file_unless_the_operator_wants_them(done):
    job = done("import resource\ndef main():\n    return resource.getrlimit(resource.RLIMIT_CORE)")

    assert job.report["result"] == [0, 0]


def test_core_files_are_left_where_the_operator_wants_them(server, start_robot):
    source = "import resource\ndef main():\n    return resource.getrlimit(resource.RLIMIT_CORE)"
    job = server.add_job(server.add_package(package(source)))

    start_robot(environ={"BV_ROBOT_KEEP_CORE_FILES": "yes"})

    server.wait_for_end(job)
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    assert job.report["result"] == [hard, hard]


def test_a_kill_by_a_stranger_is_no_limit(done):
    job = done("import os\ndef main():\n    os.kill(os.getpid(), 9)")

    assert job.report["error"]["code"] == "application_error"
    assert "ended by signal 9 (killed)" in job.report["error"]["message"]


def test_the_end_of_a_child_is_seen_before_anybody_waits_for_it():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    before = deaths.poll(child)

    child.kill()
    while (death := deaths.poll(child)) is None:
        time.sleep(0.01)
    child.communicate()

    assert before is None
    assert death == Death(-9)
    assert death.was_killed


@pytest.mark.parametrize(
    ("death", "told"),
    [
        (Death(4), "The job's process ended with exit code 4 before it gave an answer."),
        (Death(-6), "The job's process was ended by signal 6 (aborted) before it gave an answer."),
        (Death(-99), "The job's process was ended by signal 99 before it gave an answer."),
    ],
)
def test_an_end_is_told_in_words(death, told):
    assert deaths.in_words(death, WORK) == told


@pytest.mark.parametrize(
    ("pattern", "place"),
    [
        ("core.%p", "see /work/of/a/job/core.%p (the pattern of its name)"),
        ("/var/crash/%e.%p", "see /var/crash/%e.%p (the pattern of its name)"),
        ("|/usr/lib/systemd/systemd-coredump %P", "hands it to /usr/lib/systemd/systemd-coredump"),
    ],
)
def test_a_core_is_told_with_the_place_where_this_system_keeps_it(tmp_path, pattern, place):
    (tmp_path / "core_pattern").write_text(f"{pattern}\n")

    assert place in deaths.where_cores_go(WORK, tmp_path / "core_pattern")
    assert "A core was dumped: " in deaths.in_words(Death(-11, has_core=True), WORK)
