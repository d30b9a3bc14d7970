"""What an operator does by hand: look at the settings and the logs, pause, drain and stop."""

import json
import re
import subprocess

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


def test_config_shows_the_address_that_counts_and_no_password(home):
    environ = {"ORCHESTRATOR_URL": "https://me:hidden@host/api/v1", "BV_ROBOT_URL": "https://other"}

    shown = settings(home=home, **environ)

    assert shown["url"] == {"value": "https://me:***@host", "source": "environment", "origin": "ORCHESTRATOR_URL"}
    assert settings("--url", "https://flag", home=home, **environ)["url"]["source"] == "flag"


def test_config_says_of_secrets_only_whether_they_are_set(server, home):
    before = settings(home=home)
    command("enroll", server.url, "--key", MACHINE_KEY, home=home)

    shown = command("config", home=home, ORCHESTRATOR_API_KEY=MACHINE_KEY).stdout

    after = json.loads(shown)["settings"]
    assert [before[name]["value"] for name in ("key", "token")] == ["not set", "not set"]
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


def test_logs_says_what_to_do_where_there_is_none(server, start_robot, home):
    of_nothing = command("logs", home=home)
    job = server.add_job(server.add_package(package("def main(): pass")))
    start_robot(flags=("--until-idle",)).wait()

    of_another_job = command("logs", "--job", "unheard-of", home=home)

    assert of_nothing.returncode == of_another_job.returncode == 1
    assert "is it the right --home?" in json.loads(of_nothing.stderr)["error"]
    assert json.loads(of_another_job.stderr)["error"].endswith(f"name one of: {job.id}")


def test_logs_shows_a_damaged_record_as_far_as_it_goes(home):
    execution = home / "spool" / "executions" / "one"
    execution.mkdir(parents=True)
    (execution / "lease.json").write_text("{")
    (execution / "log.ndjson").write_bytes(b'{"t":"now","l":"INFO","m":"whole"}\n\xff{\n{"t":"now","l":"IN')

    assert command("logs", home=home).stdout == "now INFO  whole\n\\xff{\n"
