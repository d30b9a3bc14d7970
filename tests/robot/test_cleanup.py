"""Pruning the caches: what nobody needs goes, the longest unused first, and never what is in use."""

import json
import os
import subprocess
import sys
import time

import pytest
from bv_robot import cleanup, environments, locks, platforms, pruning
from bv_robot.config import Home
from bv_robot.platforms import ProcessIdentity
from bv_robot.pruning import Limits
from bv_robot.spool import Spool, write_note

from tests import robots_at_work
from tests.robot.packages import package

DAY = 24 * 3600
NO_LIMIT = 2**60
WAITS_FOR_A_FILE = """
    import os, sys, time
    def main(go):
        print("begun", flush=True)
        while not os.path.exists(go):
            time.sleep(0.05)
        return sys.prefix
"""


@pytest.fixture
def place(home):
    made = Home(home)
    made.make()
    return made


def environment(place, key, *, days=0.0, size=100):
    """An environment that was last used so many days ago."""
    directory = place.environments / key
    (directory / "lib").mkdir(parents=True)
    (directory / "lib" / "module.py").write_bytes(b"x" * size)
    unused_for(directory / "complete.json", days)
    return directory


def downloaded(place, digit, *, days=0.0, size=100):
    file = place.packages / f"{digit * 64}.bvpackage"
    file.write_bytes(b"x" * size)
    unused_for(file, days)
    return file


def unused_for(file, days):
    file.touch()
    then = time.time() - days * DAY
    os.utime(file, (then, then))


def execution(place, number="e1", *, sha256=None, key=None):
    """A lease in the spool, as far prepared as told."""
    held = {"execution": number, "lease": number, "package": {"sha256": sha256} if sha256 else None}
    files = Spool(place.spool).add({"lease": held})
    write_note(files.environment, {"key": key})
    return files


def removed(place, *, days=30.0, most=NO_LIMIT, **options):
    return [cached.key for cached in pruning.prune(place, Limits(days, most), **options).removed]


def test_what_was_not_used_for_long_goes(place):
    old, recent = environment(place, "old", days=31), environment(place, "recent", days=29)
    old_package, recent_package = downloaded(place, "a", days=31), downloaded(place, "b", days=29)

    assert set(removed(place)) == {"a" * 64, "old"}
    assert not old.exists()
    assert not old_package.exists()
    assert recent.exists()
    assert recent_package.exists()


def test_the_longest_unused_go_first_until_the_rest_fits(place):
    environment(place, "second", days=2, size=100)
    environment(place, "third", days=1, size=100)
    downloaded(place, "a", days=3, size=100)

    pruned = pruning.prune(place, Limits(30, 150))

    assert [cached.key for cached in pruned.removed] == ["a" * 64, "second"]
    assert (pruned.freed, pruned.left) == (200, 100)
    assert [path.name for path in place.environments.iterdir() if path.is_dir()] == ["third"]


def test_what_an_execution_names_stays_until_it_is_answered_for(place):
    environment(place, "needed", days=99)
    downloaded(place, "a", days=99)
    files = execution(place, sha256="a" * 64, key="needed")

    while_open = removed(place, days=0, most=0)
    files.write_delivery("recorded", epoch=1)
    afterwards = removed(place, days=0, most=0)

    assert while_open == []
    assert set(afterwards) == {"needed", "a" * 64}


def test_what_an_earlier_version_of_the_robot_launched_stays(place):
    kept = environment(place, "needed", days=99)
    files = execution(place)
    write_note(files.launch, {"python": str(platforms.python_of(kept))})

    assert removed(place) == []


@pytest.fixture
def supervisor():
    """The identity of a process that runs until the end of the test."""
    command = [sys.executable, "-c", "print('here', flush=True); input()"]
    environ = {platforms.MARK_OF_SUPERVISOR: "mark"}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ)
    process.stdout.readline()
    yield ProcessIdentity(process.pid, platforms.process_start(process.pid), platforms.boot_id(), "mark")
    process.communicate(b"\n")


def test_what_still_runs_keeps_its_environment_also_from_quarantine(place, supervisor):
    environment(place, "needed", days=99)
    files = execution(place, key="needed")
    files.take_ownership(supervisor)
    files.write_delivery("given_up", epoch=1)

    while_answered = removed(place)
    Spool(place.spool).set_aside(files, "it is damaged")

    assert while_answered == []
    assert removed(place) == []


def test_a_damaged_lease_still_keeps_its_environment(place):
    environment(place, "needed", days=99)
    files = execution(place, key="needed")
    (files.directory / "lease.json").write_text("{")

    assert removed(place) == []


def test_what_is_being_built_or_downloaded_stays(place):
    directory, file = environment(place, "busy", days=99), downloaded(place, "a", days=99)

    with (
        locks.held(directory.with_suffix(".lock"), pause=time.sleep),
        locks.held(file.with_suffix(".lock"), pause=time.sleep),
    ):
        assert removed(place) == []

    assert set(removed(place)) == {"busy", "a" * 64}


def test_what_a_crash_left_half_made_goes(place):
    (environment(place, "half") / "complete.json").unlink()
    half = place.packages / f".{'a' * 64}.bvpackage.0123abcd"
    half.touch()

    assert set(removed(place)) == {"half", "a" * 64}
    assert not half.exists()


def test_files_that_are_none_of_the_caches_are_left_alone(place):
    foreign = place.packages / "notes.txt"
    unused_for(foreign, 99)

    assert removed(place, days=0, most=0) == []
    assert foreign.exists()


def test_a_dry_run_removes_nothing(place):
    kept = environment(place, "old", days=31)

    assert removed(place, is_dry_run=True) == ["old"]
    assert environments.last_use(kept) > 0


def test_a_home_without_caches_is_no_error(home):
    assert removed(Home(home)) == []
    assert not home.exists()


# The command


def told(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_command_says_what_it_removed_and_how_much_that_freed(place):
    environment(place, "old", days=9, size=2048)
    environment(place, "recent", days=1, size=1024)

    done = robots_at_work.run_command("cleanup", "--older-than", "7", "--home", str(place.root))

    each, summary = told(done)
    assert each["message"].startswith("Removed environment old: 2 KiB, last used 2")
    assert summary["message"] == "1 removed, 2 KiB freed, 1 KiB left"
    assert (summary["removed"], summary["freed"], summary["left"]) == (1, 2048, 1024)


def test_the_command_only_says_what_it_would_remove_when_asked_to(place):
    kept = environment(place, "big", size=2048)

    done = robots_at_work.run_command("cleanup", "--max-size", "1K", "--dry-run", "--home", str(place.root))

    assert [line["message"] for line in told(done)][-1] == "1 removed, 2 KiB would be freed, 0 bytes left"
    assert "Would remove environment big" in done.stdout
    assert kept.exists()


def test_the_command_says_where_the_limit_cannot_be_kept(place):
    environment(place, "needed", size=2048)
    execution(place, key="needed")

    done = robots_at_work.run_command("cleanup", "--max-size", "1K", "--home", str(place.root))

    assert told(done)[-1]["message"] == "0 removed, 0 bytes freed, 2 KiB left; what is left over the limit is in use"


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("500", 500), ("2k", 2048), ("1.5 GiB", 3 * 2**29), ("10G", 10 * 2**30), ("1TB", 2**40)],
)
def test_a_size_is_written_as_people_do(text, size):
    assert cleanup.parsed_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1", "5X"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="is no size; write it like 500M or 10G"):
        cleanup.parsed_size(text)


# With a robot


def test_a_robot_prunes_at_its_start_by_its_settings(place, server, start_robot):
    old = environment(place, "old", days=3)
    recent = environment(place, "recent", days=1)

    robot = start_robot(environ={"BV_ROBOT_CACHE_UNUSED_DAYS": "2"})

    robot.wait_until(lambda: "unused from the caches" in robot.messages())
    assert not old.exists()
    assert recent.exists()


def test_a_job_that_runs_keeps_what_it_needs_and_loses_it_once_answered_for(place, server, start_robot, tmp_path):
    job = server.add_job(server.add_package(package(WAITS_FOR_A_FILE)), parameters={"go": str(tmp_path / "go")})
    robot = start_robot()
    server.wait_until(lambda: job.executions and "begun" in job.last.messages())

    while_running = removed(place, days=0, most=0)
    (tmp_path / "go").touch()
    server.wait_for_end(job)
    robot.wait_until(lambda: not pruning.needed(place))
    afterwards = removed(place, days=0, most=0)

    assert while_running == []
    assert len(afterwards) == 2
    assert job.status == "completed"
