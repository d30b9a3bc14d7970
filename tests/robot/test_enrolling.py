"""Becoming a robot, its settings, and what it says about itself."""

import json
import os
import pty
import stat
import subprocess

import pytest

from tests import robots_at_work
from tests.robot.packages import package
from tests.robot.stand_in import MACHINE_KEY, StandIn


def enroll(server, home, *more, key=MACHINE_KEY):
    return robots_at_work.run_command("enroll", server.url, "--key", key, "--home", str(home), *more)


def test_a_robot_enrols_and_then_runs_without_its_key(server, start_robot, home):
    enrolled = enroll(server, home, "--name", "invoices-1")
    job = server.add_job(server.add_package(package("def main(): return 1")))

    start_robot(url=None, key=None)

    server.wait_for_end(job)
    assert enrolled.returncode == 0
    assert json.loads(enrolled.stdout)["name"] == "invoices-1"
    assert MACHINE_KEY not in "".join(path.read_text() for path in home.glob("*.*"))


def test_a_robot_tells_who_its_machine_is_without_its_raw_id(server, home):
    enroll(server, home)

    told = server.calls("register")[0].body
    assert len(told["machine_signature"]) == 64
    assert {"hostname", "os", "python", "version", "boot_id"} <= set(told["machine_info"])


def test_a_key_of_another_machine_is_refused_where_the_machine_has_a_name(server, home):
    home.mkdir()
    (home / "config.yaml").write_text("machine_name: host-2\n")

    refused = enroll(server, home)

    assert "machine_mismatch" in refused.stderr


def test_an_address_and_a_key_in_the_environment_are_enough(server, start_robot, home):
    job = server.add_job(server.add_package(package("def main(): return 1")))
    environ = {"ORCHESTRATOR_URL": f"{server.url}/api/v1/", "ORCHESTRATOR_API_KEY": MACHINE_KEY}

    start_robot(url=None, key=None, environ=environ | {"BV_ROBOT_NAME": "from-environment"})

    server.wait_for_end(job)
    assert list(server.tokens) == ["from-environment"]


def test_a_wrong_key_is_refused_in_one_sentence(server, home):
    refused = enroll(server, home, key="bvm_wrong")

    assert refused.returncode == 1
    told = json.loads(refused.stderr)["error"]
    assert told.startswith("bad_machine_key (401 bad_machine_key). A machine's key (bvm_…) is shown once")


def test_an_orchestrator_that_is_away_is_named_with_what_to_look_at(server, home):
    server.close()

    refused = enroll(server, home)

    assert refused.returncode == 1
    told = json.loads(refused.stderr)["error"]
    assert told.startswith(f"{server.url} cannot be reached: ")
    assert told.endswith("Is the address right, and does the orchestrator run?")


@pytest.mark.parametrize("command", [["run"], ["enroll", "http://127.0.0.1:1", "--key", "k"]], ids=["run", "enroll"])
def test_a_home_that_cannot_be_made_says_what_to_do(tmp_path, command):
    (tmp_path / "file").touch()

    refused = robots_at_work.run_command(*command, "--home", str(tmp_path / "file" / "home"))

    assert refused.returncode == 1
    assert "Not a directory; name a directory that can be written by --home" in json.loads(refused.stderr)["error"]


def test_an_unknown_log_level_is_refused_with_those_there_are(home):
    refused = robots_at_work.run_command("run", "--home", str(home), environ={"LOG_LEVEL": "loud"})

    assert refused.returncode == 2
    assert "'loud' is none of" in refused.stderr


def test_a_home_that_was_never_enrolled_says_how(home):
    refused = robots_at_work.run_command("run", "--home", str(home))

    assert refused.returncode == 1
    assert "bv-robot run --url URL --key KEY" in refused.stderr


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("urll: x", "urll: there is no such setting"),
        ("url: ftp://x", "should begin with http"),
        ("disk_reserve_bytes: many", "'many' is not a whole number"),
        ("disk_reserve_bytes: -1", "below zero"),
        ("- a", "expected names and values"),
        ("{", "config.yaml"),
        ("url: http://:80", "names no host"),
        ("url: 'http://[::1'", "is no address"),
        ("ca_file: /nowhere.pem", "/nowhere.pem holds no certificates that can be read"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(home, settings, told):
    home.mkdir()
    (home / "config.yaml").write_text(settings)

    refused = robots_at_work.run_command("run", "--home", str(home))

    assert refused.returncode == 1
    assert told in json.loads(refused.stderr)["error"]


def test_a_flag_is_stronger_than_the_environment_and_that_than_the_file(server, start_robot, home):
    home.mkdir()
    (home / "config.yaml").write_text("name: of-the-file\nurl: http://127.0.0.1:1\n")

    start_robot(name="of-the-flag", environ={"BV_ROBOT_NAME": "of-the-environment"}, flags=("--until-idle",)).wait()

    assert list(server.tokens) == ["of-the-flag"]


def test_a_robot_enrolled_again_elsewhere_speaks_to_its_new_orchestrator(server, start_robot, home):
    former = StandIn()
    enroll(former, home)
    enroll(server, home)
    former.close()
    job = server.add_job(server.add_package(package("def main(): return 1")))

    start_robot(url=None, key=None)

    server.wait_for_end(job)
    assert job.status == "completed"


def test_an_address_other_than_the_enrolled_one_needs_a_key(server, home):
    enroll(server, home, "--name", "a")

    refused = robots_at_work.run_command("run", "--home", str(home), "--name", "b")

    assert refused.returncode == 1
    assert f"enrolled as a at {server.url}, not as b at {server.url}" in refused.stderr


def test_a_damaged_identity_says_what_to_do(home):
    home.mkdir()
    (home / "identity.json").write_text("{")

    refused = robots_at_work.run_command("run", "--home", str(home))

    assert "enrol again with `bv-robot enroll`" in refused.stderr


# Status


def test_the_status_of_a_home_without_a_robot_is_short(home):
    told = json.loads(robots_at_work.run_command("status", "--home", str(home)).stdout)

    assert told["enrolled"] is False


def test_the_status_names_what_a_running_robot_has_in_hand(server, start_robot, home):
    source = "import time\ndef main():\n    print('begun', flush=True)\n    time.sleep(60)"
    job = server.add_job(server.add_package(package(source)))
    robot = start_robot()
    server.wait_until(lambda: job.executions and b"begun" in job.last.log)
    robot.wait_until(lambda: "running" in (home / "status.json").read_text())

    told = json.loads(robots_at_work.run_command("status", "--home", str(home)).stdout)

    assert (told["running"], told["pid"], told["session"]) == (True, robot.pid, server.session)
    assert told["undelivered"] == 0
    assert told["jobs"] == [
        {"job": job.id, "what": f"job {job.id} (invoices 1.0.0)", "phase": "running", "asked": "continue"}
    ]


def test_a_person_at_a_terminal_gets_a_table(server, home):
    enroll(server, home)
    leader, follower = pty.openpty()

    subprocess.run(
        [robots_at_work.command(), "status", "--home", str(home)],
        stdout=follower,
        stdin=follower,
        stderr=follower,
        env=robots_at_work.clean_environ() | {"TERM": "xterm", "COLUMNS": "200"},
        check=True,
    )

    os.close(follower)
    shown = os.read(leader, 100_000).decode()
    os.close(leader)
    assert server.url in shown
    assert "{" not in shown


def test_the_version_is_told():
    assert robots_at_work.run_command("--version").stdout.startswith("bv-robot ")


def test_the_stored_identity_is_for_the_robots_user_alone(server, home):
    enroll(server, home)

    assert stat.S_IMODE((home / "identity.json").stat().st_mode) == 0o600
