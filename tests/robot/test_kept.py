"""Working directories of failed jobs: kept where the log says, listed, and removed in time."""

import json
import time

import pytest
import time_machine
from bv_robot import keeping
from bv_robot.config import Home
from bv_robot.keeping import Keeping

from tests import robots_at_work
from tests.robot.packages import package

DAY = 24 * 3600
MUCH = 2**60
FAILS = """
    import pathlib
    def main():
        pathlib.Path("clue.txt").write_text("what went wrong")
        raise RuntimeError("broken")
"""


@pytest.fixture
def place(home):
    made = Home(home)
    made.make()
    return made


def kept(place, name, *, days=0.0, size=100):
    """The directory of a job that failed so many days ago."""
    work = place.work / name
    work.mkdir()
    (work / "clue.txt").write_bytes(b"x" * size)
    note = keeping.note_of(place, name)
    keeping.keep(note, work, job=f"job-{name}", what="Invoices (invoices 1.0.0)", most_bytes=MUCH)
    told = json.loads(note.read_text())
    note.write_text(json.dumps(told | {name: told[name] - days * DAY for name in ("at", "steady")}))
    return work


def removed(place, *, days=7, most=MUCH, **options):
    return [each.execution for each in keeping.prune(place, Keeping(days, most), **options)]


def test_what_a_failed_job_left_stays_and_its_log_says_where(server, start_robot, place):
    job = server.add_job(server.add_package(package(FAILS)))
    robot = start_robot()
    server.wait_for_end(job)
    robot.stop()

    start_robot(flags=("--until-idle",)).wait()

    (left,) = keeping.contents(place)
    assert (left.path / "clue.txt").read_text() == "what went wrong"
    assert (left.job, left.what) == (job.id, "Invoices (invoices 1.0.0)")
    assert f"The working directory is kept for up to 7 days (bv-robot kept): {left.path}" in job.last.messages("robot")


def test_what_a_completed_job_left_goes(server, start_robot, place):
    job = server.add_job(server.add_package(package("def main(): return 1")))
    robot = start_robot()

    server.wait_for_end(job)

    robot.wait_until(lambda: not list(place.work.iterdir()))
    assert keeping.contents(place) == []


@pytest.mark.parametrize(
    ("setting", "told"),
    [("BV_ROBOT_KEEP_FAILED_DAYS", None), ("BV_ROBOT_KEEP_FAILED_BYTES", "larger than keep_failed_bytes (0)")],
)
def test_nothing_is_kept_where_the_operator_wants_nothing(server, start_robot, place, setting, told):
    job = server.add_job(server.add_package(package(FAILS)))
    robot = start_robot(environ={setting: "0"})

    server.wait_for_end(job)

    robot.wait_until(lambda: not list(place.work.iterdir()))
    said = [message for message in job.last.messages("robot") if "working directory" in message]
    assert [told in message for message in said] == ([True] if told else [])


def test_what_is_too_old_goes(place):
    old, recent = kept(place, "old", days=8), kept(place, "recent", days=6)

    assert removed(place) == ["old"]
    assert not old.exists()
    assert recent.exists()
    assert [each.execution for each in keeping.contents(place)] == ["recent"]


def test_a_clock_that_is_set_ahead_lets_nothing_go_early(place):
    kept(place, "recent", days=1)

    with time_machine.travel(time.time() + 30 * DAY):
        assert removed(place) == []


def test_after_a_restart_of_the_machine_the_date_counts(place):
    kept(place, "old", days=8)
    kept(place, "recent", days=6)
    for note in place.kept.glob("*.json"):
        note.write_text(json.dumps(json.loads(note.read_text()) | {"boot": "another", "steady": 0.0}))

    assert removed(place) == ["old"]


def test_the_oldest_go_first_until_the_rest_fits(place):
    kept(place, "first", days=3)
    kept(place, "second", days=2)
    kept(place, "third", days=1)

    assert removed(place, most=250) == ["first"]


def test_one_that_is_larger_than_all_may_be_is_not_kept(place):
    work = place.work / "large"
    work.mkdir()
    (work / "data.bin").write_bytes(b"x" * 100)

    assert not keeping.keep(keeping.note_of(place, "large"), work, job="j", what="w", most_bytes=99)
    assert keeping.contents(place) == []


def test_a_note_that_a_crash_cut_short_keeps_nothing(place):
    keeping.note_of(place, "half").write_text('{"job": ')

    assert keeping.contents(place) == []
    assert list(place.kept.iterdir()) == []


# The commands


def told(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_command_lists_them_the_newest_first(place):
    kept(place, "older", days=2)
    work = kept(place, "newer", size=2048)

    first, second = told(robots_at_work.run_command("kept", "--home", str(place.root)))

    assert "2 KiB  Invoices (invoices 1.0.0), job job-newer" in first["message"]
    assert (first["job"], first["size"], first["path"]) == ("job-newer", 2048, str(work))
    assert second["execution"] == "older"


def test_the_command_says_where_there_are_none(place):
    (only,) = told(robots_at_work.run_command("kept", "--home", str(place.root)))

    assert only == {"message": "No working directory of a failed job is kept", "kept": []}


def test_cleanup_removes_those_too(place):
    work = kept(place, "old", days=3, size=2048)

    each, summary = told(robots_at_work.run_command("cleanup", "--older-than", "2", "--home", str(place.root)))

    assert each["message"].startswith("Removed working directory of Invoices (invoices 1.0.0), job job-old: 2 KiB")
    assert summary["message"] == "1 removed, 2 KiB freed, 0 bytes left"
    assert not work.exists()
