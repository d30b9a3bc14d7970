"""What an operator does by hand: look at the settings and the logs, pause, drain and stop."""

import json

from tests import robots_at_work
from tests.robot.stand_in import MACHINE_KEY


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
