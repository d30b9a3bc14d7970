"""A robot that comes for one job and leaves."""

import json
import signal
import subprocess

import pytest

from tests import robots_at_work
from tests.robot.packages import package
from tests.robot.stand_in import ENROLMENT_KEY

WORKS = """
    def main():
        print("begun", flush=True)
        import time; time.sleep(60)
"""


@pytest.fixture
def start_once(server, start_robot, tmp_path):
    """Start ``run --once`` with a temporary home below a directory of the test."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    def start(*flags, **given):
        environ = {"TMPDIR": str(temporary), "ORCHESTRATOR_API_KEY": ENROLMENT_KEY}
        given = {"key": None, "environ": environ, "flags": ("--once", *flags)} | given
        return start_robot(**given)

    start.temporary = temporary
    return start


@pytest.fixture
def start_without_home(server, tmp_path):
    """The same without ``--home``, as in a container."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    def start(*flags):
        environ = {"TMPDIR": str(temporary), "ORCHESTRATOR_API_KEY": ENROLMENT_KEY, "ORCHESTRATOR_URL": server.url}
        command = [robots_at_work.command(), "run", "--once", *flags]
        environ = robots_at_work.clean_environ() | environ
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)

    start.temporary = temporary
    return start


def job_of(server, source, **lease):
    return server.add_job(server.add_package(package(source)), **lease)


def test_it_runs_one_job_delivers_everything_and_leaves_nothing_behind(server, start_without_home):
    server.slots = 2
    first = job_of(server, "def main():\n    print('said')\n    return 1")
    second = job_of(server, "def main(): return 2")

    ended = start_without_home()

    assert ended.returncode == 0, ended.stdout
    assert first.report["result"] == 1
    assert first.last.messages("stdout") == ["said"]
    assert second.executions == []
    assert [call.body["session"] for call in server.calls("deregister")] == [server.session]
    assert server.tokens == {}
    assert list(start_without_home.temporary.iterdir()) == []


def test_it_enrols_as_ephemeral_under_a_name_of_its_own(server, start_once):
    start_once("--idle-timeout", "0").wait()
    start_once("--idle-timeout", "0").wait()

    told = [call.body for call in server.calls("register")]
    assert [each["ephemeral"] for each in told] == [True, True]
    assert told[0]["name"] != told[1]["name"]
    assert [each["machine_key"] for each in told] == [ENROLMENT_KEY, ENROLMENT_KEY]
    assert server.tokens == {}


def test_it_takes_the_name_it_is_given(server, start_once):
    start_once("--idle-timeout", "0", name="runner-7").wait()

    assert server.calls("register")[0].body["name"] == "runner-7"


@pytest.mark.parametrize(
    ("source", "code"),
    [("def main(): raise ValueError('no')", 3), ("def main(): return 1", 0)],
    ids=["failed", "completed"],
)
def test_the_exit_code_says_how_the_job_ended(server, start_once, source, code):
    job_of(server, source)

    assert start_once().wait() == code


def test_a_cancelled_job_has_an_exit_code_of_its_own(server, start_once):
    job = job_of(server, WORKS)
    robot = start_once()
    server.wait_until(lambda: job.executions and b"begun" in job.last.log)

    server.ask(job, "cancel")

    assert robot.wait() == 4
    assert job.status == "cancelled"


def test_it_gives_up_where_nothing_comes(server, start_once):
    robot = start_once("--idle-timeout", "0.5")

    assert robot.wait() == 5
    assert len(server.calls("deregister")) == 1
    assert "No job came in time" in robot.messages()


def test_a_sigterm_hands_the_job_back_and_leaves(server, start_once):
    job = job_of(server, WORKS)
    robot = start_once()
    server.wait_until(lambda: job.executions and b"begun" in job.last.log)

    robot.signal(signal.SIGTERM)

    assert robot.wait() == 7
    assert job.report["error"]["type"] == "RobotStopped"
    assert len(server.calls("deregister")) == 1
    assert robot.supervisors() == []


def test_a_sigterm_before_any_job_leaves_at_once(server, start_once):
    robot = start_once()
    server.wait_until(lambda: server.calls("sync"))

    robot.signal(signal.SIGTERM)

    assert robot.wait() == 7
    assert server.tokens == {}


def test_a_lease_that_went_back_is_not_the_job_it_came_for(server, start_once):
    server.faults.answer("start", 409, "late")
    job = job_of(server, "def main(): return 1")

    assert start_once().wait() == 0
    assert job.executions[0].status == "released"
    assert job.report["result"] == 1


def test_a_result_that_cannot_be_delivered_is_kept_and_said(server, start_once):
    job = job_of(server, WORKS)
    robot = start_once()
    server.wait_until(lambda: job.executions and b"begun" in job.last.log)
    server.faults.answer("finish", 503, times=1000)

    robot.signal(signal.SIGTERM)

    assert robot.wait(60) == 6
    assert "it is kept in" in robot.messages()
    assert server.calls("deregister") == []
    server.faults.clear()
    assert start_once("--idle-timeout", "0").wait() == 7
    assert job.report["error"]["type"] == "RobotStopped"
    assert len(server.calls("deregister")) == 1


def test_one_that_was_killed_is_brought_to_its_end_by_the_next(server, start_once, tmp_path):
    source = """
        import os, time
        def main(go):
            print("begun", flush=True)
            while not os.path.exists(go):
                time.sleep(0.05)
            return 1
    """
    server.settings["lease_ttl"] = 600
    job = job_of(server, source, parameters={"go": str(tmp_path / "go")})
    robot = start_once()
    server.wait_until(lambda: job.executions and b"begun" in job.last.log)
    robot.kill()

    again = start_once()
    server.wait_until(lambda: len(server.calls("sessions")) == 2)
    (tmp_path / "go").touch()

    assert again.wait() == 0
    assert len(job.executions) == 1
    assert len(server.calls("register")) == 1


def test_a_used_home_keeps_its_caches_and_no_identity(server, start_once, home):
    job_of(server, "def main(): return 1")
    start_once().wait()
    job_of(server, "def main(): raise ValueError")

    assert start_once().wait() == 3

    assert list(home.glob("packages/*.bvpackage"))
    assert not (home / "identity.json").exists()


def test_the_home_of_a_robot_that_stays_is_not_used(server, start_once, home):
    robots_at_work.run_command("enroll", server.url, "--key", ENROLMENT_KEY, "--home", str(home), "--name", "stays")

    robot = start_once()

    assert robot.wait() == 1
    assert "is the home of stays" in robot.output.read_text()


def test_a_refused_key_ends_it_and_leaves_nothing_behind(server, start_without_home):
    server.faults.answer("register", 409, "enrolment_used_up")

    refused = start_without_home()

    assert refused.returncode == 1
    assert "has made as many machines as it may" in json.loads(refused.stderr.splitlines()[-1])["error"]
    assert list(start_without_home.temporary.iterdir()) == []


@pytest.mark.parametrize("flags", [["--once", "--until-idle"], ["--idle-timeout", "3"]])
def test_flags_that_do_not_go_together_are_refused(home, flags):
    refused = robots_at_work.run_command("run", *flags, "--home", str(home))

    assert refused.returncode == 2
