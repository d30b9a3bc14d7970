"""The robot's memory on disk: durable, checked, and one listener's alone."""

import json
import os
import resource
import subprocess
import sys
import threading

import pytest
from bv_robot import platforms, spool
from bv_robot.spool import CorruptRecord, ExecutionFiles, HomeLock, Spool

from tests import robots_at_work
from tests.robot.packages import package
from tests.robot.stand_in import records

SPOOL_FULL = {"BV_ROBOT_DISK_RESERVE_BYTES": str(2**60)}
WAITS_FOR_A_FILE = """
    import os, time
    def main(go):
        print("begun", flush=True)
        while not os.path.exists(go):
            time.sleep(0.05)
"""


def test_a_record_comes_back_as_it_was_written(tmp_path):
    record = {"lease": "x", "nested": {"é": [1, None]}}

    spool.write_record(tmp_path / "record.json", record)

    assert spool.read_record(tmp_path / "record.json") == record
    assert spool.read_record(tmp_path / "missing.json") is None
    assert (tmp_path / "record.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damaged", [b"", b"{", b'{"record": {}}', b"[]", b"null"])
def test_a_record_cut_short_is_noticed(tmp_path, damaged):
    (tmp_path / "record.json").write_bytes(damaged)

    with pytest.raises(CorruptRecord):
        spool.read_record(tmp_path / "record.json")


def test_every_flipped_bit_of_a_record_is_noticed(tmp_path):
    path = tmp_path / "record.json"
    spool.write_record(path, {"lease": "1234"})
    whole = path.read_bytes()

    noticed = [is_noticed(path, whole, bit) for bit in range(len(whole) * 8)]

    assert noticed == [True] * len(noticed)


def is_noticed(path, whole, bit):
    damaged = bytearray(whole)
    damaged[bit // 8] ^= 1 << bit % 8
    path.write_bytes(damaged)
    try:
        return spool.read_record(path) == {"lease": "1234"}  # Only white space or spelling changed.
    except CorruptRecord:
        return True


def test_a_write_that_fails_leaves_the_old_record(tmp_path, monkeypatch):
    path = tmp_path / "record.json"
    spool.write_record(path, {"n": 1})
    monkeypatch.setattr(spool.os, "fsync", full_disk)

    with pytest.raises(OSError, match="No space"):
        spool.write_record(path, {"n": 2})

    assert spool.read_record(path) == {"n": 1}
    assert [found.name for found in tmp_path.iterdir()] == ["record.json"]


def full_disk(*_):
    raise OSError(28, "No space left on device")


def test_a_note_is_changed_in_place_when_there_is_no_room_for_another_file(tmp_path, monkeypatch):
    path = tmp_path / "control.json"
    spool.write_note(path, {"ask": "continue", "deadline": 12345.6})
    monkeypatch.setattr(spool, "write_note", full_disk)

    spool.change_note(path, {"ask": "stop", "deadline": 2.0})

    assert spool.read_note(path) == {"ask": "stop", "deadline": 2.0}


def test_only_one_process_ever_owns_an_execution(tmp_path):
    files = ExecutionFiles(tmp_path)

    first, second = files.take_ownership(platforms.own_identity()), files.take_ownership(None)

    assert (first, second) == (True, False)
    assert files.owner() == platforms.own_identity()


def test_a_process_is_not_mistaken_for_another_with_its_number(monkeypatch):
    monkeypatch.setenv(platforms.MARK_OF_SUPERVISOR, "mark")
    process = subprocess.Popen(
        [sys.executable, "-c", "print('up', flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.stdout.readline()  # Until a program runs, the kernel shows no variables of its process.
    start = platforms.process_start(process.pid) or ""
    genuine = platforms.ProcessIdentity(process.pid, start, platforms.boot_id(), "mark")
    others = [
        platforms.ProcessIdentity(process.pid, "1", platforms.boot_id(), "mark"),
        platforms.ProcessIdentity(process.pid, start, "another boot", "mark"),
        platforms.ProcessIdentity(process.pid, start, platforms.boot_id(), "another mark"),
    ]

    found = [platforms.still_runs(identity) for identity in [genuine, *others]]

    process.communicate(b"\n")
    assert found == [True, False, False, False]
    assert not platforms.still_runs(genuine)


def test_what_is_removed_is_gone_as_a_whole_also_where_that_was_interrupted(tmp_path, monkeypatch):
    memory = Spool(tmp_path)
    files = ExecutionFiles(memory.executions_directory / "one")
    files.channel.mkdir(parents=True)
    monkeypatch.setattr(spool.shutil, "rmtree", lambda *_, **__: None)
    memory.remove(files)
    interrupted = list(memory.executions())
    monkeypatch.undo()

    memory.empty_bin()

    assert interrupted == []
    assert [path for path in tmp_path.rglob("*") if path.name.startswith("one")] == []


def test_a_damaged_session_memory_starts_anew(tmp_path):
    memory = Spool(tmp_path)
    memory.write_session({"epoch": 3})
    (tmp_path / "session.json").write_bytes(b"rubbish")

    assert memory.session() == {}
    assert [record["why"] for record in memory.quarantined()] == ["it is damaged"]


# A robot and its spool


def test_a_damaged_record_is_put_aside_and_the_robot_goes_on(server, start_robot, home):
    robot = start_robot(flags=("--until-idle",))
    robot.wait()
    damaged = home / "spool" / "executions" / "11111111-1111-4111-8111-111111111111"
    damaged.mkdir()
    (damaged / "lease.json").write_text(json.dumps({"record": {"lease": {}}, "sha256": "0"}))
    job = server.add_job(server.add_package(package("def main(): return 1")))

    robot = start_robot()

    server.wait_for_end(job)
    server.wait_until(lambda: server.calls("sync")[-1].body["state"]["problem"] == "spool_quarantined")
    robot.wait_until(lambda: "spool_quarantined" in (home / "status.json").read_text())
    shown = json.loads(robots_at_work.run_command("status", "--home", str(home)).stdout)
    assert [record["path"] for record in shown["quarantined"]] == list(map(str, home.glob("spool/quarantine/1111*")))
    assert shown["quarantined"][0]["why"].endswith("lease.json: the checksum does not match")
    assert (shown["problem"], shown["accepting"]) == ("spool_quarantined", True)
    robot.wait_until(lambda: shown["quarantined"][0]["path"] in robot.messages())


def test_a_damaged_result_is_put_aside_and_the_job_is_called_lost(server, start_robot, home, tmp_path):
    job = server.add_job(server.add_package(package(WAITS_FOR_A_FILE)), parameters={"go": str(tmp_path / "go")})
    robot = start_robot()
    server.wait_until(lambda: job.executions and b"begun" in job.last.log)
    robot.kill()
    (tmp_path / "go").touch()
    robot.wait_until(lambda: list(home.glob("spool/executions/*/result.json")))
    next(home.glob("spool/executions/*/result.json")).write_bytes(b"\0" * 100)

    start_robot()

    server.wait_for_end(job)
    assert [execution.status for execution in job.executions] == ["lost", "completed"]


def test_a_result_is_delivered_also_when_only_it_survived(server, start_robot, home, tmp_path):
    job = server.add_job(server.add_package(package(WAITS_FOR_A_FILE)), parameters={"go": str(tmp_path / "go")})
    robot = start_robot()
    server.wait_until(lambda: job.executions and b"begun" in job.last.log)
    robot.kill()
    (tmp_path / "go").touch()
    robot.wait_until(lambda: list(home.glob("spool/executions/*/result.json")))
    next(home.glob("spool/executions/*/lease.json")).write_bytes(b"rubbish")

    start_robot()

    server.wait_for_end(job)
    assert [execution.status for execution in job.executions] == ["completed"]


def test_two_robots_on_one_home_refuse_each_other(server, start_robot):
    first = start_robot()
    server.wait_until(lambda: server.calls("sync"))

    second = start_robot()

    assert second.wait() == 1
    assert f"another bv-robot already runs in {first.home} (process {first.pid})" in second.messages()
    assert first.process.poll() is None


def test_a_home_that_somebody_only_looks_at_is_free_a_moment_later(tmp_path):
    looked_at = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    platforms.try_lock(looked_at)
    threading.Timer(0.2, os.close, [looked_at]).start()
    lock = HomeLock(tmp_path / "lock")

    lock.take()

    assert lock.is_held()


def test_a_full_disk_stops_claiming_but_not_renewing(server, start_robot, home, tmp_path):
    source = "import time\ndef main():\n    print('begun', flush=True)\n    time.sleep(60)"
    running = server.add_job(server.add_package(package(source)))
    first = start_robot()
    server.wait_until(lambda: running.executions and b"begun" in running.last.log)
    first.kill()

    start_robot(environ=SPOOL_FULL)

    before = len(running.last.renewals)
    server.wait_until(lambda: len(running.last.renewals) > before + 2)
    report = server.calls("sync")[-1].body
    assert report["wishes"] == []
    assert report["state"] == {"accepting": False, "problem": "spool_full"}


def test_a_job_is_taken_over_and_reported_also_where_nothing_can_be_written(server, start_robot, tmp_path):
    job = server.add_job(server.add_package(package(WAITS_FOR_A_FILE)), parameters={"go": str(tmp_path / "go")})
    robot = start_robot()
    server.wait_until(lambda: job.executions and b"begun" in job.last.log)
    robot.kill()

    start_robot(largest_file=64)
    before = len(job.last.renewals)
    server.wait_until(lambda: len(job.last.renewals) > before + 2)
    (tmp_path / "go").touch()

    server.wait_for_end(job)
    assert [execution.status for execution in job.executions] == ["completed"]


def test_a_result_the_disk_does_not_take_waits_in_memory_and_says_so(server, start_robot, home, tmp_path):
    job = server.add_job(server.add_package(package(WAITS_FOR_A_FILE)), parameters={"go": str(tmp_path / "go")})
    robot = start_robot()
    server.wait_until(lambda: job.executions and b"begun" in job.last.log)
    [supervisor] = robot.supervisors()
    unlimited = resource.prlimit(supervisor.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(supervisor.pid, resource.RLIMIT_FSIZE, (64, unlimited[1]))

    (tmp_path / "go").touch()

    server.wait_until(lambda: server.calls("sync")[-1].body["state"]["problem"] == "result_in_memory")
    robot.wait_until(lambda: "result_in_memory" in (home / "status.json").read_text())
    shown = json.loads(robots_at_work.run_command("status", "--home", str(home)).stdout)
    resource.prlimit(supervisor.pid, resource.RLIMIT_FSIZE, unlimited)
    server.wait_for_end(job)
    robot.wait_until(lambda: "What was wrong is over: result_in_memory" in robot.messages())
    assert "Make room" in shown["advice"]
    assert [execution.status for execution in job.executions] == ["completed"]


def test_a_spool_that_cannot_be_used_stops_claiming(server, start_robot, home):
    start_robot()
    server.wait_until(lambda: server.calls("sync"))

    (home / "spool" / "executions").rename(home / "elsewhere")

    problem = {"accepting": False, "problem": "spool_unusable"}
    server.wait_until(lambda: server.calls("sync")[-1].body["state"] == problem)


def test_a_lease_that_cannot_be_written_down_goes_back(server, start_robot, home, monkeypatch):
    in_the_way = home / "spool" / "executions" / "in-the-way"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.touch()
    monkeypatch.setattr(records, "new_execution_id", lambda: "in-the-way")
    job = server.add_job(server.add_package(package("def main(): return 1")))

    robot = start_robot()

    server.wait_until(lambda: job.executions and job.executions[0].status == "released")
    robot.wait_until(lambda: "The spool does not take a lease" in robot.messages())


def test_old_results_are_forgotten(server, start_robot, home):
    job = server.add_job(server.add_package(package("def main(): return 1")))
    start_robot(flags=("--until-idle",)).wait()
    assert job.status == "completed"
    kept = list(home.glob("spool/executions/*/delivery.json"))

    start_robot(environ={"BV_ROBOT_KEEP_RECORDS_SECONDS": "0"}, flags=("--until-idle",)).wait()

    assert len(kept) == 1
    assert list((home / "spool" / "executions").iterdir()) == []


def test_what_was_delivered_at_the_start_is_forgotten_too(server, start_robot, home, tmp_path):
    job = server.add_job(server.add_package(package(WAITS_FOR_A_FILE)), parameters={"go": str(tmp_path / "go")})
    robot = start_robot()
    server.wait_until(lambda: job.executions and b"begun" in job.last.log)
    robot.kill()
    (tmp_path / "go").touch()
    robot.wait_until(lambda: list(home.glob("spool/executions/*/result.json")))

    start_robot(environ={"BV_ROBOT_KEEP_RECORDS_SECONDS": "0"}, flags=("--until-idle",)).wait()
    start_robot(environ={"BV_ROBOT_KEEP_RECORDS_SECONDS": "0"}, flags=("--until-idle",)).wait()

    assert job.status == "completed"
    assert len(server.calls("finish")) == 1
    assert list((home / "spool" / "executions").iterdir()) == []


def test_a_lease_given_back_is_forgotten_also_in_a_later_epoch(server, start_robot, home):
    server.faults.answer("start", 409, "revoked")
    server.add_job(server.add_package(package("def main(): return 1")))
    start_robot(flags=("--until-idle",)).wait()
    kept = list(home.glob("spool/executions/*/delivery.json"))
    server.epoch = 2

    robot = start_robot(environ={"BV_ROBOT_KEEP_RECORDS_SECONDS": "0"})

    robot.wait_until(lambda: len(list(home.glob("spool/executions/*"))) < len(kept))
    assert len(kept) == 2


def test_nothing_in_a_home_is_for_other_users(server, start_robot, home):
    start_robot(flags=("--until-idle",)).wait()

    assert home.stat().st_mode & 0o077 == 0
    assert (home / "identity.json").stat().st_mode & 0o077 == 0
    assert robots_at_work.run_command("status", "--home", str(home)).returncode == 0
