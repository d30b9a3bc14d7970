"""What a robot tells with each session and sync, and how it follows what it is told."""

import json
import os
import time

import psutil
import pytest
from bv_robot.desk import Settings

from tests import robots_at_work
from tests.robot.packages import package

PRINTS = """
    import os, time
    def main(go):
        print("begun", flush=True)
        while not os.path.exists(go):
            time.sleep(0.05)
        print("late", flush=True)
        time.sleep(60)
"""


def figures(server):
    return server.calls("sync")[-1].body["metrics"]


def problems(server):
    return [call.body["state"]["problem"] for call in server.calls("sync")]


def test_a_session_tells_of_the_machine_and_the_versions_spoken(server, start_robot):
    start_robot(flags=("--until-idle",)).wait()

    opening = server.calls("sessions")[0].body
    assert opening["protocols"] == [1]
    assert opening["agent"]["processors"] == os.cpu_count()
    assert opening["agent"]["memory"] == psutil.virtual_memory().total
    assert opening["agent"]["uv"][0].isdigit()
    assert {"version", "hostname", "os", "python"} <= set(opening["agent"])


def test_a_sync_tells_how_the_machine_is(server, start_robot):
    server.add_job(server.add_package(package("def main(): pass")))
    before = time.time()
    start_robot(flags=("--until-idle",)).wait()
    start_robot(flags=("--until-idle",)).wait()

    told = figures(server)
    assert set(told) == {"cpu", "memory", "disk", "disk_free", "load", "spool_depth", "environments", "clock"}
    assert 0 < told["memory"] <= 1
    assert 0 < told["disk"] <= 1
    assert told["load"] >= 0
    assert before <= told["clock"] <= time.time()
    assert (told["environments"], told["spool_depth"]) == (1, 0)


def test_what_waits_to_be_delivered_is_counted(server, start_robot):
    server.faults.answer("finish", 503, times=1000)
    server.add_job(server.add_package(package("def main(): pass")))

    start_robot()

    server.wait_until(lambda: server.calls("sync") and figures(server)["spool_depth"] == 1)


def test_figures_are_marked_to_be_kept_once_a_minute(server, start_robot):
    start_robot()

    server.wait_until(lambda: len(server.calls("sync")) > 3)

    assert [call.body.get("sample") for call in server.calls("sync")[:4]] == [True, None, None, None]


@pytest.mark.parametrize(
    ("spoken", "told"), [(2, "too old for its orchestrator: update it"), (0, "too new for its orchestrator")]
)
def test_a_robot_and_a_server_that_cannot_speak_with_each_other_say_so_in_words(
    server, start_robot, home, spoken, told
):
    server.speaks = {spoken}
    robot = start_robot()

    robot.wait_until(lambda: told in robot.messages())

    robot.wait_until(lambda: told in (home / "status.json").read_text())
    status = json.loads(robots_at_work.run_command("status", "--home", str(home)).stdout)
    assert told in status["trouble"]
    assert f"Wanted: {spoken}." in status["trouble"]
    assert len(server.calls("sessions")) == 1


# Settings for one robot


def test_a_setting_for_this_robot_alone_counts_while_it_runs_and_goes_away_again(server, start_robot, home):
    robot = start_robot()
    server.wait_until(lambda: server.calls("sync"))

    server.pushed = {"disk_reserve_bytes": 2**60, "of_a_newer_server": 1}
    server.wait_until(lambda: problems(server)[-1] == "spool_full")
    server.pushed = {}
    server.wait_until(lambda: problems(server)[-1] == "")

    said = robot.messages()
    assert f"Set for this robot alone: disk_reserve_bytes={2**60}\n" in said
    assert "Set for this robot alone: nothing any more\n" in said
    assert "Make room: bv-robot cleanup (spool_full)" in said
    assert "What was wrong is over: spool_full" in said


def test_a_session_brings_the_settings_for_this_robot_before_it_takes_work(server, start_robot):
    server.pushed = {"disk_reserve_bytes": 2**60}
    server.add_job(server.add_package(package("def main(): pass")))

    start_robot()

    server.wait_until(lambda: server.calls("sync"))
    assert server.calls("sync")[0].body["wishes"] == []


def test_settings_for_one_robot_take_the_place_of_the_sessions_own():
    session = Settings.of({"sync_min": 2, "log_every": 3, "of_a_newer_server": 1})

    settings = session.with_pushed({"log_every": 1, "memory_limit": 512, "cpu_limit": 0.5, "lease_ttl": 1})

    assert (settings.sync_min, settings.log_every, settings.lease_ttl) == (2, 1, 90)
    assert (settings.memory_limit, settings.cpu_limit) == (512, 0.5)
    assert session.with_pushed({}) == session


@pytest.mark.parametrize("unusable", [0, -1, "2", None, True, []])
def test_a_setting_that_makes_no_sense_counts_as_absent(unusable):
    assert Settings().with_pushed({"sync_max": unusable}) == Settings()


def test_the_labels_of_a_robot_are_in_its_status(server, start_robot, home):
    robot = start_robot()

    robot.wait_until(lambda: (home / "status.json").exists() and "invoices" in (home / "status.json").read_text())


# Logs that somebody reads


def test_a_log_that_nobody_reads_comes_now_and_then_and_soon_once_somebody_does(server, start_robot, tmp_path):
    server.settings["log_every"] = 600
    job = server.add_job(server.add_package(package(PRINTS)), parameters={"go": str(tmp_path / "go")})
    robot = start_robot()
    robot.wait_until(lambda: list(robot.home.glob("spool/executions/*/log.ndjson")))
    log = next(robot.home.glob("spool/executions/*/log.ndjson"))
    robot.wait_until(lambda: b"begun" in log.read_bytes())
    (tmp_path / "go").touch()
    robot.wait_until(lambda: b"late" in log.read_bytes())
    renewals = len(job.last.renewals)
    server.wait_until(lambda: len(job.last.renewals) > renewals + 2)
    before = bytes(job.last.log)

    server.watched.append(job)

    server.wait_until(lambda: b"late" in job.last.log)
    assert b"late" not in before


def test_much_of_a_log_is_sent_at_once_though_nobody_reads_it(server, start_robot):
    server.settings |= {"log_every": 600, "log_chunk_bytes": 10_000}
    source = "import time\ndef main():\n    time.sleep(1)\n    print('x' * 60_000, flush=True)\n    time.sleep(60)"
    job = server.add_job(server.add_package(package(source)))

    start_robot()

    server.wait_until(lambda: job.executions and len(job.last.log) > 50_000)
