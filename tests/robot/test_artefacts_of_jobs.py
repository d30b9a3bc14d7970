"""Files that a job leaves: from its call to the server, through outages and restarts, exactly once."""

import hashlib
import json
from types import SimpleNamespace

import pytest
from bv_robot import artefacts
from bv_robot.artefacts import Artefacts
from bv_robot.client import Client
from bv_robot.spool import ExecutionFiles

from tests.robot.packages import package

LEAVES = """
    from bv_robot import job
    def main(**files):
        for name, text in files.items():
            job.artefact(text.encode(), name=name)
"""
LEAVES_ONE_AND_WAITS = """
    import pathlib, time
    from bv_robot import job
    def main(go, size=10):
        job.artefact(b"x" * size, name="report.bin")
        print("left", flush=True)
        while not pathlib.Path(go).exists():
            time.sleep(0.05)
"""


def contents(execution):
    return {name: kept.content.decode() for name, kept in execution.artefacts.items()}


def files_in_spool(home):
    return sorted(path.name for path in (home / "spool").glob("executions/*/channel/artefacts/*"))


def start_waiting(server, tmp_path, **parameters):
    """A job that leaves one file and waits for ``go``."""
    given = {"go": str(tmp_path / "go")} | parameters
    return server.add_job(server.add_package(package(LEAVES_ONE_AND_WAITS)), parameters=given)


def has_left(job):
    return job.executions and "left" in job.last.messages()


# What a job leaves


def test_files_and_bytes_are_stored_with_their_name_and_kind(done):
    source = """
        import pathlib
        from bv_robot import job
        def main():
            pathlib.Path("rows.csv").write_text("a,b\\n")
            job.artefact("rows.csv")
            job.artefact(pathlib.Path("rows.csv"), name="Zeilen für Anna.csv", content_type="text/plain")
            job.artefact(bytearray(b"\\x00\\x01"), name="raw")
            pathlib.Path("rows.csv").write_text("changed afterwards")
    """

    kept = done(source).last.artefacts

    told = {name: (file.content, file.content_type) for name, file in kept.items()}
    assert told == {
        "rows.csv": (b"a,b\n", "text/csv"),
        "Zeilen für Anna.csv": (b"a,b\n", "text/plain"),
        "raw": (b"\x00\x01", "application/octet-stream"),
    }


def test_a_job_that_fails_or_crashes_still_leaves_its_files(done):
    source = """
        import os
        from bv_robot import job
        def main(hard):
            job.artefact(b"picture", name="screen.png")
            os._exit(3) if hard else 1 / 0
    """

    ended = [done(source, parameters={"hard": hard}) for hard in (True, False)]

    assert [job.status for job in ended] == ["failed", "failed"]
    assert [contents(job.last) for job in ended] == [{"screen.png": "picture"}] * 2


def test_a_name_that_is_none_is_refused_before_anything_is_kept(done):
    source = """
        from bv_robot import job
        def main():
            said = []
            for name in (None, "", "..", "a/b", "a\\\\b", "a\\nb"):
                try:
                    job.artefact(b"x", name=name)
                except ValueError as error:
                    said.append(str(error))
            return said
    """

    ended = done(source)

    assert len(ended.report["result"]) == 6
    assert "plain file name, not 'a/b'" in ended.report["result"][3]
    assert ended.last.artefacts == {}


def test_a_disk_that_is_full_is_the_jobs_to_handle_and_leaves_nothing_half(done):
    source = """
        import os, resource, signal
        from bv_robot import job
        def main():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
            try:
                job.artefact(b"x" * 200_000, name="large.bin")
            except OSError:
                said = os.listdir(os.path.join(os.environ["BV_JOB_CHANNEL"], "artefacts"))
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            job.artefact(b"small", name="small.bin")
            return said
    """

    ended = done(source)

    assert ended.report["result"] == []
    assert contents(ended.last) == {"small.bin": "small"}


def test_several_processes_of_a_job_leave_files_at_once(done):
    source = """
        import subprocess, sys
        from bv_robot import job
        ONE = "from bv_robot import job; import sys; [job.artefact(b'x', name=f'{sys.argv[1]}-{n}') for n in range(10)]"
        def main():
            started = [subprocess.Popen([sys.executable, "-c", ONE, str(n)]) for n in range(3)]
            return [process.wait() for process in started]
    """

    ended = done(source)

    assert ended.report["result"] == [0, 0, 0]
    assert len(ended.last.artefacts) == 30


# On their way


def test_a_file_is_stored_while_its_job_still_runs_and_then_forgotten(server, start_robot, tmp_path, home):
    job = start_waiting(server, tmp_path)
    start_robot()

    server.wait_until(lambda: job.executions and job.last.artefacts)

    assert job.status == "running"
    (tmp_path / "go").touch()
    server.wait_for_end(job)
    assert files_in_spool(home) == []
    assert len(server.calls("artefact")) == 1


def test_a_result_does_not_wait_for_files_that_cannot_be_sent(server, start_robot):
    server.faults.answer("artefact", 503, times=10_000)
    job = server.add_job(server.add_package(package(LEAVES)), parameters={"small": "s", "large": "x" * 1_100_000})

    start_robot()

    server.wait_for_end(job)
    assert job.last.artefacts == {}
    server.faults.clear()
    server.wait_until(lambda: len(job.last.artefacts) == 2)


def test_small_files_come_before_the_result_and_large_ones_after_it(server, tmp_path):
    files = ExecutionFiles(tmp_path / "execution")
    files.artefacts.mkdir(parents=True)
    for number, size in enumerate((10, 2_000, 10), start=1):
        (files.artefacts / f"{number}.data").write_bytes(b"x" * size)
        about = {"name": f"{number}", "content_type": "text/plain", "size": size}
        sha256 = hashlib.sha256(b"x" * size).hexdigest()
        (files.artefacts / f"{number}.json").write_text(json.dumps(about | {"sha256": sha256}))
    server.tokens["robot"] = "bvr_x"
    http = Client(server.url, token="bvr_x")
    desk = SimpleNamespace(artefact_limit=artefacts.Limit(), http=http)
    sent = Artefacts(desk, "unknown to the server", files)

    sent.send_small(1_000)

    assert [path.name for path in artefacts.owed(files)] == ["2.json"]
    sent.send()
    assert artefacts.owed(files) == []
    assert len(server.calls("artefact")) == 3
    http.close()


def test_an_outage_delays_files_and_doubles_none(server, start_robot):
    server.faults.answer("artefact", 503)
    server.faults.drop_request("artefact")
    server.faults.drop_reply("artefact")
    job = server.add_job(server.add_package(package(LEAVES)), parameters={"a.txt": "text", "b.txt": "more"})

    start_robot()

    server.wait_until(lambda: job.executions and len(job.last.artefacts) == 2)
    assert contents(job.last) == {"a.txt": "text", "b.txt": "more"}
    assert server.wait_for_end(job).status == "completed"


def test_a_robot_that_is_killed_goes_on_with_the_files_of_a_job_that_is_over(server, start_robot, home):
    server.faults.answer("artefact", 503, times=10_000)
    job = server.add_job(server.add_package(package(LEAVES)), parameters={"a.txt": "text"})
    robot = start_robot()
    server.wait_for_end(job)
    robot.wait_until(lambda: list((home / "spool").glob("executions/*/delivery.json")))
    robot.kill()
    finishes = len(server.calls("finish"))
    server.faults.clear()

    start_robot()

    server.wait_until(lambda: job.last.artefacts)
    assert contents(job.last) == {"a.txt": "text"}
    assert len(server.calls("finish")) == finishes


def test_files_of_a_job_that_died_with_its_robot_are_brought_by_the_next(server, start_robot, tmp_path):
    server.faults.answer("artefact", 503, times=10_000)
    job = start_waiting(server, tmp_path)
    robot = start_robot()
    server.wait_until(lambda: has_left(job))
    robot.end_everything()
    server.faults.clear()
    first = job.last

    start_robot()

    server.wait_until(lambda: first.artefacts)
    assert first.artefacts["report.bin"].content == b"x" * 10


def test_a_robot_that_is_drained_brings_files_first(server, start_robot):
    server.faults.answer("artefact", 503, times=2)
    job = server.add_job(server.add_package(package(LEAVES)), parameters={"a.txt": "text"})

    robot = start_robot(flags=("--until-idle",))

    assert robot.wait() == 0
    assert contents(job.last) == {"a.txt": "text"}


# What is not stored


def test_a_refusal_is_final_and_said_in_both_logs_and_the_file_stays_for_a_while(server, start_robot, home):
    server.faults.answer("artefact", 409, "artefact_differs")
    job = server.add_job(server.add_package(package(LEAVES)), parameters={"a.txt": "text", "b.txt": "more"})

    robot = start_robot()

    server.wait_for_end(job)
    said = "The artefact a.txt was not stored: artefact_differs (409 artefact_differs)"
    assert job.last.messages("robot") == [said]
    assert contents(job.last) == {"b.txt": "more"}
    assert files_in_spool(home) == ["1.data", "1.refused"]
    assert "a.txt" in robot.messages()
    assert job.status == "completed"


def test_a_server_that_takes_no_files_at_all_is_no_obstacle(server, start_robot):
    server.faults.answer("artefact", 404, "not_found", times=10)
    job = server.add_job(server.add_package(package(LEAVES)), parameters={"a.txt": "text"})

    start_robot()

    assert server.wait_for_end(job).status == "completed"
    assert len(server.calls("artefact")) == 1


def test_a_limit_once_named_is_known_and_a_larger_file_is_not_even_sent(server, start_robot):
    server.artefact_limit = 2_000_000
    content = server.add_package(package(LEAVES))
    first = server.add_job(content, parameters={"a.bin": "x" * 2_000_001})
    robot = start_robot()
    server.wait_for_end(first)
    robot.wait_until(lambda: "a.bin" in robot.messages())

    second = server.add_job(content, parameters={"b.bin": "x" * 2_000_002, "c.bin": "fits"})

    server.wait_for_end(second)
    said = "The artefact b.bin was not stored: it has 2000002 bytes, and 2000000 are allowed"
    assert second.last.messages("robot") == [said]
    assert contents(second.last) == {"c.bin": "fits"}
    assert len(server.calls("artefact")) == 2


@pytest.mark.parametrize("damage", ["its data", "its description"])
def test_a_damaged_file_goes_into_quarantine_and_the_next_one_is_stored(server, start_robot, tmp_path, home, damage):
    source = """
        import os, pathlib
        from bv_robot import job
        def main(damaged):
            job.artefact(b"first", name="first.txt")
            folder = pathlib.Path(os.environ["BV_JOB_CHANNEL"], "artefacts")
            (folder / damaged).write_bytes(b"[")
            job.artefact(b"second", name="second.txt")
    """
    name = {"its data": "1.data", "its description": "1.json"}[damage]
    job = server.add_job(server.add_package(package(source)), parameters={"damaged": name})

    start_robot()

    server.wait_for_end(job)
    server.wait_until(lambda: "second.txt" in job.last.artefacts)
    (aside,) = (home / "spool" / "quarantine").iterdir()
    assert {path.name for path in aside.iterdir()} == {"1.data", "1.json", "why.json"}
    assert job.status == "completed"


def test_bytes_that_never_arrive_as_they_were_sent_are_given_up(server, start_robot, home):
    server.faults.answer("artefact", 400, "bad_sha256", times=3)
    job = server.add_job(server.add_package(package(LEAVES)), parameters={"a.txt": "text"})

    robot = start_robot()

    server.wait_for_end(job)
    robot.wait_until(lambda: list((home / "spool" / "quarantine").iterdir()))
    assert len(server.calls("artefact")) == 3


def test_a_record_is_not_forgotten_while_a_file_is_owed(tmp_path):
    files = ExecutionFiles(tmp_path)
    files.artefacts.mkdir(parents=True)
    for name in ("10.json", "2.json", "2.data", "3.refused", "notes.json", "4.json.77"):
        (files.artefacts / name).write_text(json.dumps({}))

    assert [path.name for path in artefacts.owed(files)] == ["2.json", "10.json"]
