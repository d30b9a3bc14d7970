"""``kill -9`` of any part at any time: a job is never run twice, and a result is never lost."""

import json
import os
import signal

import psutil
import pytest

from tests.robot.packages import package

WAITS_FOR_A_FILE = """
    import os, time
    def main(directory):
        open(f"{directory}/runs", "a").write("x")
        print("begun", os.getpid(), flush=True)
        while not os.path.exists(f"{directory}/go"):
            time.sleep(0.05)
        print("ended")
        return 1
"""


@pytest.fixture
def job(server, tmp_path):
    """A job that counts its runs and ends when a file tells it to."""
    return server.add_job(server.add_package(package(WAITS_FOR_A_FILE)), parameters={"directory": str(tmp_path)})


@pytest.fixture
def running(server, start_robot, job):
    """The robot that runs the job, once the job has said so."""
    robot = start_robot()
    server.wait_until(lambda: job.executions and b"begun" in job.last.log)
    return robot


def let_it_end(tmp_path):
    (tmp_path / "go").touch()


def processes_of(job):
    """The job's process and its supervisor."""
    child = psutil.Process(int(job.last.messages("stdout")[0].split()[1]))
    return child, child.parent()


def results_in(home):
    return list(home.glob("spool/executions/*/result.json"))


def test_a_job_outlives_its_listener_and_the_next_one_takes_it_over(server, start_robot, running, job, tmp_path):
    running.kill()
    robot = start_robot()
    server.wait_until(lambda: len(server.calls("sessions")) == 2)

    let_it_end(tmp_path)

    server.wait_for_end(job)
    robot.wait_until(lambda: "says accepted" in robot.messages())
    assert (job.status, len(job.executions)) == ("completed", 1)
    assert server.calls("sessions")[1].body["running"] == [job.last.lease_id]
    assert (tmp_path / "runs").read_text() == "x"
    assert job.last.messages("stdout")[1:] == ["ended"]
    assert len(server.calls("finish")) == 1


def test_a_job_taken_over_can_be_cancelled(server, start_robot, running, job):
    child, _ = processes_of(job)
    running.kill()
    start_robot()
    server.wait_until(lambda: len(server.calls("sessions")) == 2)

    server.ask(job, "cancel")

    server.wait_for_end(job)
    assert job.status == "cancelled"
    assert not child.is_running()


def test_a_result_reached_without_a_listener_is_delivered_before_the_next_session(
    server, start_robot, running, job, home, tmp_path
):
    running.kill()
    let_it_end(tmp_path)
    running.wait_until(lambda: results_in(home))

    start_robot()

    server.wait_for_end(job)
    server.wait_until(lambda: len(server.calls("sessions")) == 2)
    assert (job.status, job.last.status, len(job.executions)) == ("completed", "completed", 1)
    order = [request.endpoint for request in server.requests if request.endpoint in {"finish", "sessions"}]
    assert order == ["sessions", "finish", "sessions"]


def test_a_job_whose_processes_all_died_is_given_up_and_runs_again_as_another_attempt(
    server, start_robot, running, job, tmp_path
):
    child, supervisor = processes_of(job)
    running.kill()
    supervisor.kill()
    running.wait_until(lambda: not child.is_running())

    robot = start_robot()

    server.wait_until(lambda: len(job.executions) == 2 and b"begun" in job.last.log)
    assert job.executions[0].status == "lost"
    assert "it is given up" in robot.messages()
    assert (tmp_path / "runs").read_text() == "xx"
    assert server.calls("sessions")[1].body["running"] == []


def test_a_job_whose_process_was_killed_while_no_listener_ran_is_reported_as_failed(
    server, start_robot, running, job, home
):
    child, _ = processes_of(job)
    running.kill()
    child.kill()
    running.wait_until(lambda: results_in(home))

    start_robot()

    server.wait_for_end(job)
    assert job.report["error"]["message"].startswith("The job's process was ended by signal 9 (killed)")


def test_a_lease_granted_and_not_begun_is_never_begun_by_the_next_listener(server, start_robot, job, tmp_path):
    server.faults.answer("start", 503, times=1000)
    robot = start_robot()
    server.wait_until(lambda: server.calls("start"))
    robot.kill()
    server.faults.clear()

    start_robot()

    server.wait_until(lambda: len(job.executions) == 2 and b"begun" in job.last.log)
    assert job.executions[0].status == "released"
    assert (tmp_path / "runs").read_text() == "x"


def test_a_supervisor_that_comes_too_late_finds_its_lease_given_up(server, start_robot, job, home, tmp_path):
    server.faults.answer("start", 503, times=1000)
    robot = start_robot()
    server.wait_until(lambda: server.calls("start"))
    robot.kill()
    directory = next(home.glob("spool/executions/*"))
    start_robot(flags=("--until-idle",))
    server.wait_until(lambda: len(server.calls("sync")) > 3)

    python = str(robot.process.args[0].parent / "python")
    code = os.spawnv(os.P_WAIT, python, [python, "-P", "-m", "bv_robot.runner", str(directory)])

    assert code == 0
    assert not (tmp_path / "runs").exists()
    assert not (directory / "result.json").exists()


def test_a_delivered_result_is_not_offered_again_by_the_next_listener(server, start_robot, running, job, tmp_path):
    let_it_end(tmp_path)
    server.wait_for_end(job)
    running.wait_until(lambda: "says accepted" in running.messages())
    running.kill()

    start_robot()

    server.wait_until(lambda: len(server.calls("sessions")) == 2 and len(server.calls("sync")) > 5)
    assert len(server.calls("finish")) == 1


def test_a_result_whose_acknowledgement_was_lost_in_a_crash_is_known_again(server, start_robot, running, job, tmp_path):
    server.faults.delay("finish", 1)
    let_it_end(tmp_path)
    server.wait_until(lambda: server.calls("finish"))
    running.kill()
    server.wait_until(lambda: job.status == "completed")

    robot = start_robot()

    robot.wait_until(lambda: "says duplicate" in robot.messages())
    assert len(job.executions) == 1


def test_a_listener_frozen_beyond_its_lease_loses_the_job_to_its_supervisor(server, start_robot, job):
    server.settings["lease_ttl"] = 2
    robot = start_robot()
    server.wait_until(lambda: job.executions and b"begun" in job.last.log)
    child, _ = processes_of(job)

    robot.signal(signal.SIGSTOP)

    robot.wait_until(lambda: not child.is_running())
    server.lose(job)
    robot.signal(signal.SIGCONT)
    server.wait_until(lambda: server.late_results)
    assert server.late_results[0]["report"]["error"]["type"] == "LeaseLost"


def test_a_job_without_any_listener_ends_with_its_lease(server, start_robot, job, home):
    server.settings["lease_ttl"] = 2
    robot = start_robot()
    server.wait_until(lambda: job.executions and b"begun" in job.last.log)

    robot.kill()

    robot.wait_until(lambda: results_in(home))
    (result,) = results_in(home)
    assert json.loads(result.read_text())["record"]["error"]["type"] == "LeaseLost"


def test_a_frozen_supervisor_is_overruled_by_its_listener(server, start_robot, job):
    job.lease["kill_grace"] = 0
    robot = start_robot()
    server.wait_until(lambda: job.executions and b"begun" in job.last.log)
    child, supervisor = processes_of(job)
    supervisor.suspend()

    server.ask(job, "kill")

    robot.wait_until(lambda: not child.is_running())
    server.wait_for_end(job)


def test_a_listener_killed_again_and_again_loses_and_doubles_nothing(server, start_robot, tmp_path, home):
    server.slots = 4
    source = """
        import os, time
        def main(directory):
            open(f"{directory}/{os.environ['BV_EXECUTION_ID']}", "a").write("x")
            time.sleep(0.4)
            return os.environ["BV_EXECUTION_ID"]
    """
    content = server.add_package(package(source))
    jobs = [server.add_job(content, parameters={"directory": str(tmp_path)}) for _ in range(10)]

    for number in range(1, 4):
        robot = start_robot()
        server.wait_until(lambda number=number: sum(job.status == "completed" for job in jobs) >= number * 2)
        robot.kill()
    start_robot(flags=("--until-idle",)).wait(60)

    ended = [[execution.id for execution in job.executions if execution.status == "completed"] for job in jobs]
    assert ended == [[job.report["result"]] for job in jobs]
    assert {path.read_text() for path in tmp_path.iterdir() if path.is_file() and path.stem == path.name} == {"x"}


def test_a_crash_before_a_lease_was_written_down_leaves_no_trace(server, start_robot, home):
    (home / "spool" / "executions" / "begun" / "channel").mkdir(parents=True)

    start_robot(flags=("--until-idle",)).wait()

    assert list(home.glob("spool/executions/*")) == []
    assert list(home.glob("spool/quarantine/*")) == []
