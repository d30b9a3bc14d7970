"""Stop, cancel, kill, time-out: how a job is ended, and that nothing of it is left."""

import os

import psutil
import pytest

from tests.robot.packages import package

SLEEPS = "import time\ndef main():\n    print('begun')\n    time.sleep(60)"

TIDIES_UP = """
    import time
    def main():
        print("begun")
        try:
            time.sleep(60)
        finally:
            print("tidied up")
"""

IGNORES_SIGTERM = """
    import signal, time
    def main():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("begun", flush=True)
        while True:
            time.sleep(1)
"""

FORKS_TWICE = """
    import os, signal, sys, time
    def main():
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                os.write(writer, str(os.getpid()).encode())
                while True:
                    time.sleep(1)
            os._exit(0)
        os.wait()
        print("begun", os.read(reader, 20).decode(), flush=True)
        {then}
"""


def begun(server, job):
    """Wait until the job has said that it runs, and return what it said after that word."""
    server.wait_until(lambda: job.executions and b"begun" in job.last.log)
    return next(message for message in job.last.messages("stdout") if "begun" in message).split()[1:]


def is_gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_stop_asks_the_job_which_ends_by_itself(give, shared_robot):
    server, _ = shared_robot
    source = """
        import time
        from bv_robot import job
        def main():
            print("begun")
            while not job.is_cancelled():
                time.sleep(0.05)
            return "ended by itself"
    """
    job = give(source)
    begun(server, job)

    server.ask(job, "stop")

    server.wait_for_end(job)
    assert job.report["result"] == "ended by itself"


def test_a_stop_does_not_end_a_job_that_does_not_listen(give, shared_robot):
    server, _ = shared_robot
    job = give("import time\ndef main():\n    print('begun')\n    time.sleep(2.5)\n    return 'done'")
    begun(server, job)

    server.ask(job, "stop")

    server.wait_for_end(job)
    assert job.report["result"] == "done"


def test_a_cancelled_job_may_tidy_up(give, shared_robot):
    server, _ = shared_robot
    job = give(TIDIES_UP)
    begun(server, job)

    server.ask(job, "cancel")

    server.wait_for_end(job)
    assert job.status == "cancelled"
    assert "tidied up" in job.last.messages("stdout")
    assert "Ending the job: it was cancelled." in job.last.messages("robot")
    assert b'"l":"ERROR"' not in job.last.log


def test_a_cancelled_coroutine_may_tidy_up(give, shared_robot):
    server, _ = shared_robot
    source = """
        import asyncio
        async def main():
            print("begun")
            try:
                await asyncio.sleep(60)
            finally:
                print("tidied up")
    """
    job = give(source)
    begun(server, job)

    server.ask(job, "cancel")

    server.wait_for_end(job)
    assert job.status == "cancelled"
    assert "tidied up" in job.last.messages("stdout")


def test_a_cancelled_job_that_does_not_end_is_killed_after_its_grace(give, shared_robot):
    server, _ = shared_robot
    job = give(IGNORES_SIGTERM)
    begun(server, job)

    server.ask(job, "cancel")

    server.wait_for_end(job)
    assert job.status == "cancelled"
    assert job.report["exit_code"] == -9


def test_a_success_in_the_grace_counts(give, shared_robot):
    server, _ = shared_robot
    source = """
        import signal, time
        def main():
            asked = []
            signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
            print("begun", flush=True)
            while not asked:
                time.sleep(0.05)
            return "finished all the same"
    """
    job = give(source)
    begun(server, job)

    server.ask(job, "cancel")

    server.wait_for_end(job)
    assert job.status == "completed"
    assert job.report["result"] == "finished all the same"


def test_a_kill_cuts_the_grace_of_a_cancel_short(give, shared_robot):
    server, _ = shared_robot
    job = give(IGNORES_SIGTERM, kill_grace=600)
    begun(server, job)
    server.ask(job, "cancel")
    server.wait_until(lambda: b"it was cancelled" in job.last.log)

    server.ask(job, "kill")

    server.wait_for_end(job)
    assert (job.report["exit_code"], job.report["outcome"]) == (-9, "cancelled")


def test_a_killed_job_fails_as_killed(give, shared_robot):
    server, _ = shared_robot
    job = give(SLEEPS, kill_grace=600)
    begun(server, job)

    server.ask(job, "kill")

    server.wait_for_end(job)
    assert job.report["error"]["code"] == "killed"


def test_a_grandchild_that_slipped_away_dies_with_its_job(give, shared_robot):
    server, _ = shared_robot
    job = give(FORKS_TWICE.format(then="time.sleep(60)"))
    (grandchild,) = begun(server, job)

    server.ask(job, "cancel")

    server.wait_for_end(job)
    assert is_gone(int(grandchild))


def test_what_a_finished_job_leaves_behind_is_ended_and_said(done):
    job = done(FORKS_TWICE.format(then="return 'finished'"))

    grandchild = job.last.messages("stdout")[0].split()[1]
    assert job.report["result"] == "finished"
    assert is_gone(int(grandchild))
    assert any("left something running" in message for message in job.last.messages("robot"))


def test_a_frozen_job_is_killed(give, shared_robot):
    server, _ = shared_robot
    job = give(
        "import os, signal\ndef main():\n    print('begun', flush=True)\n    os.kill(os.getpid(), signal.SIGSTOP)"
    )
    begun(server, job)

    server.ask(job, "cancel")

    server.wait_for_end(job)
    assert job.report["exit_code"] == -9


def test_a_job_dies_with_its_supervisor(give, shared_robot):
    server, robot = shared_robot
    job = give("import os, time\ndef main():\n    print('begun', os.getpid(), flush=True)\n    time.sleep(60)")
    (child,) = begun(server, job)
    supervisor = psutil.Process(int(child)).parent()

    supervisor.kill()

    server.wait_for_end(job)
    assert job.report["error"]["type"] == "SupervisorDied"
    robot.wait_until(lambda: is_gone(int(child)))


def test_processes_orphaned_by_a_killed_supervisor_are_found_by_their_mark(give, shared_robot):
    server, robot = shared_robot
    job = give(FORKS_TWICE.format(then="print('parent', os.getppid(), flush=True); time.sleep(60)"))
    (grandchild,) = begun(server, job)
    server.wait_until(lambda: b"parent" in job.last.log)
    supervisor = int(job.last.messages("stdout")[-1].split()[1])

    os.kill(supervisor, 9)

    server.wait_for_end(job)
    robot.wait_until(lambda: is_gone(int(grandchild)))


def test_a_job_whose_control_cannot_be_read_for_a_moment_runs_on(give, shared_robot):
    server, robot = shared_robot
    job = give("import time\ndef main():\n    print('begun', flush=True)\n    time.sleep(1.2)\n    return 'done'")
    begun(server, job)

    (robot.home / "spool" / "executions" / job.last.id / "control.json").write_text('{"ask": "con')

    server.wait_for_end(job)
    assert job.report["result"] == "done"


def test_a_job_whose_spool_was_cleared_away_is_ended(give, shared_robot):
    server, robot = shared_robot
    job = give(
        "import os, time\ndef main():\n    print('begun', os.getpid(), flush=True)\n    time.sleep(60)", max_attempts=1
    )
    (child,) = begun(server, job)

    (robot.home / "spool" / "executions" / job.last.id).rename(robot.home / "cleared-away")

    robot.wait_until(lambda: is_gone(int(child)) and not robot.supervisors())
    server.lose(job)


def test_a_supervisor_that_is_asked_to_end_ends_its_job_and_says_so(give, shared_robot):
    server, _ = shared_robot
    job = give("import os, time\ndef main():\n    print('begun', os.getppid(), flush=True)\n    time.sleep(60)")
    (supervisor,) = begun(server, job)

    os.kill(int(supervisor), 15)

    server.wait_for_end(job)
    assert job.report["error"]["type"] == "RobotStopped"
    assert job.report["error"]["code"] == "robot_stopped"


# Before it runs


@pytest.mark.parametrize(
    ("what", "outcome", "code"),
    [("stop", "cancelled", None), ("cancel", "cancelled", None), ("kill", "failed", "killed")],
)
def test_a_job_asked_to_end_while_its_package_is_fetched_never_begins(server, start_robot, what, outcome, code):
    server.faults.answer("start", 503, times=1000)
    job = server.add_job(server.add_package(package("def main():\n    print('begun')")))
    start_robot()
    server.wait_until(lambda: job.executions and server.calls("start"))

    server.ask(job, what)

    server.wait_for_end(job)
    assert job.report["outcome"] == outcome
    assert (job.report["error"] or {}).get("code") == code
    assert job.last.messages("stdout") == []


def test_a_cancel_ends_the_download_of_a_package(server, start_robot):
    server.faults.trickle("download")
    job = server.add_job(server.add_package(package("def main(): pass", **{"data.bin": "x" * 2_000_000})))
    start_robot()
    server.wait_until(lambda: server.calls("download"))

    server.ask(job, "cancel")

    server.wait_for_end(job)
    assert job.status == "cancelled"
    assert server.calls("start") == []


def test_a_cancel_ends_the_building_of_an_environment(server, start_robot, tmp_path, home):
    pipe = tmp_path / "endless-1.0-py3-none-any.whl"
    os.mkfifo(pipe)
    job = server.add_job(server.add_package(package("def main(): pass", lock=f"endless @ file://{pipe}\n")))
    start_robot()
    server.wait_until(lambda: job.executions and b"Building the environment" in job.last.log)

    server.ask(job, "cancel")

    server.wait_for_end(job)
    assert job.status == "cancelled"
    assert not installers_in(home)


def installers_in(home):
    lines = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if "install" in line and str(home) in " ".join(line)]


def test_a_lease_that_cannot_be_started_in_time_goes_back(server, start_robot):
    server.faults.answer("start", 503, times=1000)
    job = server.add_job(server.add_package(package("def main(): return 1")), start_within=1)

    start_robot()

    server.wait_until(lambda: job.executions and job.executions[0].status == "released")
    server.faults.clear()
    server.wait_for_end(job)
    assert job.report["number"] == 2


def test_a_lease_whose_start_is_refused_is_not_run(server, start_robot):
    server.faults.answer("start", 409, "revoked")
    job = server.add_job(server.add_package(package("def main(): return 1")))

    robot = start_robot()

    robot.wait_until(lambda: "given back: revoked" in robot.messages())
    server.wait_for_end(job)
    assert [execution.status for execution in job.executions] == ["released", "completed"]
