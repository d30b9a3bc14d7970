"""Several robots on one machine: one process that keeps their listeners."""

import json
import os
import signal

import psutil
import pytest
from bv_robot import config, pruning, several
from bv_robot.config import Config, ConfigError, Home
from bv_robot.pruning import Limits

from tests import robots_at_work
from tests.robot.packages import package
from tests.robot.stand_in import MACHINE_KEY

WAITS_FOR_A_FILE = """
    import os, time
    def main(go):
        print("begun", flush=True)
        while not os.path.exists(go):
            time.sleep(0.05)
        return os.environ["BV_ROBOT_NAME"]
"""


def command(*arguments, home, **environ):
    return robots_at_work.run_command(*arguments, "--home", str(home), environ=environ)


def told_by(*arguments, home):
    return [json.loads(line) for line in command(*arguments, home=home).stdout.splitlines()]


def listeners(keeper):
    """The processes of the robots, by name."""
    children = psutil.Process(keeper.pid).children()
    return {os.path.basename(child.cmdline()[-1]): child for child in children}


def presences(server):
    return [presence for presence in server.presences.values() if presence.session]


@pytest.fixture
def start_two(server, start_robot):
    """Start two robots, called a and b; return once both have a session."""

    def start(**given):
        keeper = start_robot(flags=("--name", "a", "--name", "b"), **given)
        server.wait_until(lambda: len(presences(server)) == 2)
        return keeper

    return start


@pytest.fixture
def jobs(server, tmp_path):
    server.settings["lease_ttl"] = 600  # However slow the machine is, no lease runs out while nobody renews it.
    content = server.add_package(package(WAITS_FOR_A_FILE))
    return [server.add_job(content, parameters={"go": str(tmp_path / "go")}) for _ in range(2)]


@pytest.fixture
def both_run(server, jobs):
    def wait():
        server.wait_until(lambda: all(job.executions and b"begun" in job.last.log for job in jobs))

    return wait


# Starting


def test_robots_by_number_have_an_identity_each_and_share_the_caches(server, start_robot, home):
    jobs = [server.add_job(server.add_package(package(f"def main(): return {number}"))) for number in range(3)]

    keeper = start_robot(name="press", flags=("--robots", "2", "--until-idle"))

    assert keeper.wait() == 0
    assert sorted(server.tokens) == ["press-1", "press-2"]
    assert [job.report["result"] for job in jobs] == [0, 1, 2]
    identities = [json.loads((home / "robots" / name / "identity.json").read_text()) for name in server.tokens]
    assert len({identity["robot_id"] for identity in identities}) == 2
    assert len(list(home.glob("packages/*.bvpackage"))) == 3
    assert not list(home.glob("robots/*/packages"))


def test_robots_may_be_named_in_the_settings_and_enrolled_before(server, start_robot, home):
    home.mkdir()
    (home / "config.yaml").write_text("robots: [left, right]\n")

    enrolled = command("enroll", server.url, "--key", MACHINE_KEY, home=home)
    keeper = start_robot(url=None, key=None, flags=("--until-idle",))

    assert enrolled.returncode == 0
    assert keeper.wait() == 0
    assert sorted(server.tokens) == ["left", "right"]
    assert len(server.calls("register")) == 2


def test_a_key_that_is_refused_ends_the_start(server, start_robot):
    keeper = start_robot(key="bvm_wrong", flags=("--robots", "2"))

    assert keeper.wait() == 1
    assert "bad_machine_key" in keeper.output.read_text()


def test_two_keepers_do_not_share_a_home(start_two, start_robot):
    keeper = start_two()

    second = start_robot(flags=("--robots", "2"))

    assert second.wait() == 1
    assert f"process {keeper.pid}" in second.output.read_text()


def test_the_key_is_neither_on_a_command_line_nor_in_an_environment_nor_in_a_file(
    server, start_robot, home, jobs, both_run
):
    keeper = start_robot(key=None, environ={"ORCHESTRATOR_API_KEY": MACHINE_KEY}, flags=("--robots", "2"))
    both_run()

    below = psutil.Process(keeper.pid).children(recursive=True)
    told = [f"{process.cmdline()} {process.environ()}" for process in [*below, *keeper.supervisors()]]
    assert len(told) >= 6
    assert MACHINE_KEY not in "".join(told)
    assert not [file for file in home.rglob("*") if file.is_file() and MACHINE_KEY.encode() in file.read_bytes()]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (Config(robots=["a", "A"]), "not all different"),
        (Config(robots=["../a"]), "'../a' cannot be a name"),
        (Config(robots=["65"], name="a"), "more than 64"),
        (Config(robots=["2"], name="a/b"), "'a/b-1' cannot be a name"),
    ],
)
def test_names_that_cannot_be_are_refused(settings, told):
    with pytest.raises(ConfigError, match=told):
        several.names_of(settings)


def test_one_robot_lives_in_the_home_itself():
    assert several.names_of(Config(robots=["1"], name="a")) == []
    assert several.names_of(Config()) == []


# Dying


def test_a_robot_that_dies_is_started_again_and_its_job_goes_on(server, start_two, jobs, both_run, tmp_path):
    keeper = start_two()
    both_run()
    sessions = len(server.calls("sessions"))

    listeners(keeper)["a"].kill()

    server.wait_until(lambda: len(server.calls("sessions")) > sessions)
    (tmp_path / "go").touch()
    for_both = [server.wait_for_end(job).report["result"] for job in jobs]
    assert sorted(for_both) == ["a", "b"]
    assert [len(job.executions) for job in jobs] == [1, 1]
    assert "Robot a died (exit code -9)" in keeper.messages()


def test_robots_whose_keeper_is_killed_end_and_the_next_one_takes_their_jobs_over(
    server, start_two, jobs, both_run, tmp_path
):
    keeper = start_two()
    both_run()
    orphans = list(listeners(keeper).values())

    keeper.kill()

    gone, alive = psutil.wait_procs(orphans, timeout=20)
    assert (len(gone), alive) == (2, [])
    assert len(keeper.supervisors()) == 2
    start_two(url=None, key=None)
    server.wait_until(lambda: len(server.calls("sessions")) >= 4)
    (tmp_path / "go").touch()
    assert sorted(server.wait_for_end(job).report["result"] for job in jobs) == ["a", "b"]
    assert [len(job.executions) for job in jobs] == [1, 1]


# Ending


def test_a_signal_to_drain_reaches_each_robot(start_two, jobs, both_run, tmp_path):
    keeper = start_two()
    both_run()

    keeper.signal(signal.SIGTERM)

    keeper.wait_until(lambda: keeper.messages().count("Draining") == 2)
    (tmp_path / "go").touch()
    assert keeper.wait() == 0
    assert sorted(job.report["result"] for job in jobs) == ["a", "b"]
    assert {line["robot"] for line in keeper.lines() if "Draining" in line["message"]} == {"a", "b"}


def test_an_interrupt_ends_all_jobs_and_leaves_no_process(start_two, jobs, both_run):
    keeper = start_two()
    both_run()
    below = psutil.Process(keeper.pid).children(recursive=True)

    assert keeper.stop() == 0

    assert [job.report["error"]["type"] for job in jobs] == ["RobotStopped", "RobotStopped"]
    assert [process for process in below if process.is_running()] == []
    assert keeper.supervisors() == []


def test_draining_one_robot_leaves_the_others_alone(server, start_two, home):
    keeper = start_two()

    told = told_by("drain", "--name", "a", home=home)

    keeper.wait_until(lambda: "Robot a has ended (exit code 0)" in keeper.messages())
    assert [line["robot"] for line in told] == ["a"]
    job = server.add_job(server.add_package(package("import os\ndef main(): return os.environ['BV_ROBOT_NAME']")))
    assert server.wait_for_end(job).report["result"] == "b"
    assert list(listeners(keeper)) == ["b"]


def test_draining_all_ends_the_keeper_too(start_two, home):
    keeper = start_two()

    told = told_by("drain", home=home)

    assert keeper.wait() == 0
    assert {line["robot"] for line in told} == {"a", "b"}


# Commands for all and for one


def test_the_status_names_each_robot_and_who_keeps_them(start_two, home):
    keeper = start_two()

    [every] = told_by("status", home=home)
    [one] = told_by("status", "--name", "b", home=home)

    assert every["keeper"] == keeper.pid
    assert [(each["robot"], each["running"]) for each in every["robots"]] == [("a", True), ("b", True)]
    assert one["robot"] == "b"


def test_a_pause_of_one_robot_is_its_own(server, start_two, home):
    start_two()

    told_by("pause", "--name", "a", home=home)

    assert (home / "robots" / "a" / "paused.json").exists()
    assert not (home / "robots" / "b" / "paused.json").exists()
    told_by("resume", home=home)
    assert not (home / "robots" / "a" / "paused.json").exists()


def test_a_name_nobody_has_is_refused_with_those_there_are(start_two, home):
    start_two()

    refused = command("status", "--name", "c", home=home)

    assert refused.returncode == 1
    assert "is called c; there are: a, b" in json.loads(refused.stderr)["error"]


def test_logs_finds_the_newest_execution_of_whichever_robot(server, start_two, home):
    start_two()
    job = server.add_job(
        server.add_package(package("import os\ndef main(): print('said by', os.environ['BV_ROBOT_NAME'])"))
    )
    server.wait_for_end(job)
    name = job.last.messages("stdout")[0].split()[-1]

    assert f"said by {name}" in command("logs", home=home).stdout
    assert f"said by {name}" in command("logs", "--name", name, home=home).stdout


def test_the_doctor_looks_at_each_robot(start_two, home):
    start_two()

    told = command("doctor", home=home).stdout

    assert "b: has a token, as b" in told
    assert told.count("runs as process") == 2


def test_cleaning_up_keeps_what_any_of_them_needs(server, start_two, jobs, both_run, home):
    start_two()
    both_run()

    pruned = pruning.prune(Home(home), Limits(unused_days=0, most_bytes=0))

    assert pruned.removed == []
    assert {cached.kind for cached in pruning.contents(Home(home).member("a"))} == {"environment", "package"}


def test_a_robot_among_several_has_the_settings_of_all_and_its_own_above_them(home):
    place = Home(home)
    (home / "robots" / "a").mkdir(parents=True)
    place.several_file.write_text("{}")
    place.config_file.write_text("cache_unused_days: 3\nenvironment_seconds: 4\n")
    place.member("a").config_file.write_text("environment_seconds: 5\n")

    settings = config.load(place.member("a"), {})

    assert (settings.cache_unused_days, settings.environment_seconds) == (3, 5)
