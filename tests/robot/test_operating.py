"""What an operator does by hand: look at the settings and the logs, pause, drain and stop."""

import json
import re
import signal
import subprocess

import pytest

from tests import robots_at_work
from tests.robot.packages import package
from tests.robot.stand_in import MACHINE_KEY

WAITS_FOR_A_FILE = """
    import os, time
    def main(go):
        print("begun", flush=True)
        while not os.path.exists(go):
            time.sleep(0.05)
        print("last line")
        return "ended"
"""


def command(*arguments, home, **environ):
    return robots_at_work.run_command(*arguments, "--home", str(home), environ=environ)


def settings(*flags, home, **environ):
    return json.loads(command("config", *flags, home=home, **environ).stdout)["settings"]


# Settings


def test_config_names_where_each_setting_comes_from(home):
    home.mkdir()
    (home / "config.yaml").write_text("name: a\nca_file:\nkeep_records_seconds: 1\nenvironment_seconds: 1\n")
    flags = ("--set", "environment_seconds=3")

    shown = settings(*flags, home=home, BV_ROBOT_KEEP_RECORDS_SECONDS="2", BV_ROBOT_ENVIRONMENT_SECONDS="2")

    assert shown["name"] == {"value": "a", "source": "file", "origin": str(home / "config.yaml")}
    of_the_variable = {"value": 2, "source": "environment", "origin": "BV_ROBOT_KEEP_RECORDS_SECONDS"}
    assert shown["keep_records_seconds"] == of_the_variable
    assert shown["environment_seconds"] == {"value": 3, "source": "flag", "origin": "--set environment_seconds"}
    assert shown["ca_file"] == {"value": "", "source": "default", "origin": ""}
    assert shown["home"]["source"] == "flag"
    assert [shown[name]["value"] for name in ("key", "token")] == ["not set", "not set"]


def test_config_shows_the_address_that_counts_and_no_password(home):
    environ = {"ORCHESTRATOR_URL": "https://me:hidden@host/api/v1", "BV_ROBOT_URL": "https://other"}

    shown = settings(home=home, **environ)

    assert shown["url"] == {"value": "https://me:***@host", "source": "environment", "origin": "ORCHESTRATOR_URL"}
    assert settings("--url", "https://flag", home=home, **environ)["url"]["source"] == "flag"


def test_config_says_of_secrets_only_whether_they_are_set(server, home):
    command("enroll", server.url, "--key", MACHINE_KEY, home=home)

    shown = command("config", home=home, ORCHESTRATOR_API_KEY=MACHINE_KEY).stdout

    after = json.loads(shown)["settings"]
    assert [after[name]["value"] for name in ("key", "token")] == ["set", "set"]
    assert after["url"]["value"] == server.url
    assert after["url"]["source"] == "enrolment"
    assert MACHINE_KEY not in shown
    assert json.loads((home / "identity.json").read_text())["api_token"] not in shown


def test_config_names_a_variable_that_sets_nothing(home):
    told = command("config", home=home, BV_ROBOT_NMAE="a").stderr

    assert json.loads(told)["error"] == "BV_ROBOT_NMAE: there is no such setting, so this variable has no effect"


def test_a_setting_that_cannot_be_used_is_named_with_its_origin(home):
    of_a_variable = command("config", home=home, BV_ROBOT_ENVIRONMENT_SECONDS="soon")
    of_a_flag = command("config", "--set", "environment_seconds", home=home)

    assert of_a_variable.returncode == 1
    assert "'soon' is not a whole number (BV_ROBOT_ENVIRONMENT_SECONDS)" in of_a_variable.stderr
    assert "expected NAME=VALUE" in of_a_flag.stderr


def test_run_takes_any_setting_as_a_flag(server, start_robot):
    robot = start_robot(flags=("--set", "name=of-the-flag", "--until-idle"))

    assert robot.wait() == 0
    assert list(server.tokens) == ["of-the-flag"]


# Logs


def follow(home, said):
    arguments = [robots_at_work.command(), "logs", "--follow", "--home", str(home)]
    return subprocess.Popen(arguments, stdout=said, env=robots_at_work.clean_environ())


def test_logs_prints_the_newest_execution_as_plain_lines(server, start_robot, home):
    older = server.add_job(server.add_package(package("def main(): print('of the older')")))
    start_robot(flags=("--until-idle",)).wait()
    source = r"""
        import logging
        def main():
            print("a\x1b[2Jb [/]")
            logging.getLogger("books").warning("two", extra={"page": 2})
    """
    server.add_job(server.add_package(package(source)))
    start_robot(flags=("--until-idle",)).wait()

    shown = command("logs", home=home).stdout
    shown_of_older = command("logs", "--job", older.id, home=home).stdout

    assert re.search(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO  a\\x1b\[2Jb \[/\]$", shown, re.MULTILINE)
    assert re.search(r"Z WARN  two .*page=2", shown)
    assert "of the older" not in shown
    assert "INFO  of the older\n" in shown_of_older


def test_logs_follows_an_execution_to_its_end(server, start_robot, home, tmp_path):
    parameters = {"go": str(tmp_path / "go")}
    job = server.add_job(server.add_package(package(WAITS_FOR_A_FILE)), parameters=parameters)
    robot = start_robot()
    server.wait_until(lambda: job.executions and b"begun" in job.last.log)
    output = tmp_path / "said"

    with output.open("wb") as said, follow(home, said) as following:
        robot.wait_until(lambda: "begun" in output.read_text())
        still_follows = following.poll() is None
        (tmp_path / "go").touch()
        code = following.wait(20)

    assert (still_follows, code) == (True, 0)
    assert output.read_text().endswith("INFO  last line\n")


def test_logs_says_what_to_do_where_there_is_none(home):
    told = command("logs", home=home)

    assert told.returncode == 1
    assert "is it the right --home?" in json.loads(told.stderr)["error"]


def test_logs_of_a_job_that_is_not_here_names_those_that_are(server, start_robot, home):
    job = server.add_job(server.add_package(package("def main(): pass")))
    start_robot(flags=("--until-idle",)).wait()

    told = command("logs", "--job", "unheard-of", home=home)

    assert told.returncode == 1
    assert json.loads(told.stderr)["error"].endswith(f"name one of: {job.id}")


def test_logs_shows_a_damaged_record_as_far_as_it_goes(home):
    execution = home / "spool" / "executions" / "one"
    execution.mkdir(parents=True)
    (execution / "lease.json").write_text("{")
    (execution / "log.ndjson").write_bytes(b'{"t":"now","l":"INFO","m":"whole"}\n\xff{\n{"t":"now","l":"IN')

    assert command("logs", home=home).stdout == "now INFO  whole\n\\xff{\n"


# Pausing and ending


@pytest.fixture
def job(server, tmp_path):
    return server.add_job(server.add_package(package(WAITS_FOR_A_FILE)), parameters={"go": str(tmp_path / "go")})


@pytest.fixture
def robot(server, start_robot, job):
    started = start_robot()
    server.wait_until(lambda: job.executions and b"begun" in job.last.log)
    return started


def told_state(server):
    return server.calls("sync")[-1].body["state"]


def test_a_paused_robot_goes_on_with_what_runs_and_takes_nothing_new_until_it_is_resumed(server, robot, home, job):
    server.slots = 2

    paused = command("pause", home=home)

    server.wait_until(lambda: told_state(server) == {"accepting": False, "problem": "paused"})
    waiting = server.add_job(server.add_package(package("def main(): return 2")))
    (home.parent / "go").touch()
    server.wait_for_end(job)
    syncs = len(server.calls("sync"))
    server.wait_until(lambda: len(server.calls("sync")) > syncs)
    taken_while_paused = list(waiting.executions)
    resumed = command("resume", home=home)
    server.wait_for_end(waiting)
    assert job.report["result"] == "ended"
    assert taken_while_paused == []
    assert json.loads(paused.stdout)["running"] is json.loads(resumed.stdout)["running"] is True


def test_a_pause_survives_the_death_of_the_listener(server, robot, home, start_robot, job):
    command("pause", home=home)
    robot.kill()

    again = start_robot()

    server.wait_until(lambda: told_state(server) == {"accepting": False, "problem": "paused"})
    again.wait_until(lambda: json.loads((home / "status.json").read_text())["pid"] == again.pid)
    shown = json.loads(command("status", home=home).stdout)
    assert (shown["paused"], shown["problem"], shown["accepting"]) == (True, "paused", False)
    assert [one["job"] for one in shown["jobs"]] == [job.id]


def test_a_pause_without_a_robot_counts_for_its_next_start(server, start_robot, home):
    told = json.loads(command("pause", home=home).stdout)
    job = server.add_job(server.add_package(package("def main(): pass")))
    robot = start_robot()

    server.wait_until(lambda: server.calls("sync"))

    assert "no robot runs in" in told["message"]
    assert "its next start takes no work" in told["message"]
    assert server.calls("sync")[0].body["state"] == {"accepting": False, "problem": "paused"}
    assert "bv-robot resume" in robot.messages()
    assert job.executions == []


def test_resuming_a_robot_that_neither_runs_nor_is_paused_says_both(home):
    told = json.loads(command("resume", home=home).stdout)["message"]

    assert told.startswith("It was not paused; no robot runs in")


@pytest.mark.parametrize("order", [["drain"], ["drain", "drain"], ["stop"]], ids=["drain", "again", "stop"])
def test_a_drain_finishes_what_runs_takes_nothing_new_and_ends(server, robot, home, job, order):
    server.slots = 2

    told = [command(name, home=home).stdout for name in order]

    server.wait_until(lambda: told_state(server) == {"accepting": False, "problem": "stopping"})
    waiting = server.add_job(server.add_package(package("def main(): pass")))
    (home.parent / "go").touch()
    assert robot.wait() == 0
    assert json.loads(told[-1])["stopping"] == "drain"
    assert job.report["result"] == "ended"
    assert waiting.executions == []
    assert not (home / "stop.json").exists()


@pytest.mark.parametrize(
    "orders", [[["stop", "--now"]], [["stop"], ["stop"]], [["drain"], ["stop"]]], ids=["now", "twice", "after a drain"]
)
def test_an_urgent_stop_ends_and_reports_what_runs(robot, home, job, orders):
    told = [command(*order, home=home).stdout for order in orders]

    assert robot.wait() == 0
    assert json.loads(told[-1])["stopping"] == "at once"
    assert job.report["error"]["type"] == "RobotStopped"
    assert job.report["error"]["code"] == "robot_stopped"
    assert robot.supervisors() == []


def test_a_stop_after_a_signal_to_drain_ends_what_runs(robot, home, job):
    robot.signal(signal.SIGTERM)
    robot.wait_until(lambda: "stopping" in (home / "status.json").read_text())

    command("stop", home=home)

    assert robot.wait() == 0
    assert job.report["error"]["type"] == "RobotStopped"
    assert job.report["error"]["code"] == "robot_stopped"


def test_a_drain_survives_the_death_of_the_listener_and_is_over_then(server, robot, home, start_robot, job):
    robot.signal(signal.SIGSTOP)
    command("drain", home=home)
    robot.kill()
    (home.parent / "go").touch()

    ended = start_robot()

    assert ended.wait() == 0
    assert job.report["result"] == "ended"
    later = server.add_job(server.add_package(package("def main(): return 2")))
    start_robot()
    server.wait_for_end(later)


@pytest.mark.parametrize("order", ["drain", "stop"])
def test_an_order_to_end_says_so_where_no_robot_runs_and_leaves_nothing_behind(home, order):
    told = command(order, home=home)

    assert told.returncode == 0
    assert json.loads(told.stdout)["message"].startswith("Nothing to stop: no robot runs in")
    assert not home.exists()


# While it waits to be enrolled


@pytest.fixture
def waiting(server, start_robot):
    """A robot whose server is away, so that it cannot enrol yet."""
    with server.away():
        robot = start_robot()
        robot.wait_until(lambda: "Not enrolled yet" in robot.messages())
        yield robot


@pytest.mark.parametrize("order", [["stop"], ["drain"], ["stop", "--now"]], ids=["stop", "drain", "now"])
def test_a_robot_that_waits_to_be_enrolled_can_be_ended(waiting, home, order):
    told = json.loads(command(*order, home=home).stdout)

    assert waiting.wait() == 0
    assert told["running"] is True
    assert not (home / "stop.json").exists()


def test_a_robot_that_waits_to_be_enrolled_is_shown_and_holds_its_home(waiting, start_robot, home):
    shown = json.loads(command("status", home=home).stdout)
    second = start_robot()

    assert second.wait() == 1
    assert (shown["enrolled"], shown["running"], shown["pid"]) == (False, True, waiting.pid)
    assert shown["trouble"].startswith("Not enrolled yet: ")
