"""Lost replies, servers that are away, fail or refuse: nothing is lost, nothing runs twice."""

import signal

import pytest

from tests.robot.packages import package
from tests.robot.stand_in import MACHINE_KEY

COUNTS_ITS_RUNS = "def main(path):\n    open(path, 'a').write('x')\n    return 1"
RUNS_A_WHILE = (
    "import time\ndef main(seconds=1):\n    print('begun', flush=True)\n    time.sleep(seconds)\n    return 1"
)


@pytest.fixture
def counted(server, tmp_path):
    """A job that leaves a trace of each time it runs."""
    return server.add_job(server.add_package(package(COUNTS_ITS_RUNS)), parameters={"path": str(tmp_path / "runs")})


def runs(tmp_path):
    return (tmp_path / "runs").read_text()


def begun(server, job):
    server.wait_until(lambda: job.executions and b"begun" in job.last.log)


# Replies that are lost


@pytest.mark.parametrize("endpoint", ["register", "sessions", "sync", "download", "start", "finish"])
def test_a_call_whose_answer_is_lost_is_made_again_and_the_job_runs_once(
    server, start_robot, counted, tmp_path, endpoint
):
    server.faults.drop_reply(endpoint)

    start_robot()

    server.wait_for_end(counted, 30)
    assert counted.status == "completed"
    assert len(counted.executions) == 1
    assert runs(tmp_path) == "x"


def test_a_wish_whose_answer_is_lost_is_repeated_as_it_was(server, start_robot, counted):
    server.faults.drop_reply("sync")

    start_robot()

    server.wait_for_end(counted)
    first, second = server.calls("sync")[:2]
    assert first.body["wishes"] == second.body["wishes"] == [counted.last.wish]
    assert second.body["seq"] == first.body["seq"] + 1


@pytest.mark.parametrize("endpoint", ["sync", "download", "start", "finish"])
def test_a_server_that_fails_for_a_moment_is_asked_again(server, start_robot, counted, tmp_path, endpoint):
    server.faults.answer(endpoint, 500, times=2)

    start_robot()

    server.wait_for_end(counted, 30)
    assert counted.status == "completed"
    assert runs(tmp_path) == "x"


# A server that is away


def test_a_result_reached_while_the_server_is_away_arrives_afterwards_once(server, start_robot):
    job = server.add_job(server.add_package(package(RUNS_A_WHILE)))
    robot = start_robot()
    begun(server, job)

    with server.away():
        robot.wait_until(lambda: "waits: " in robot.messages())

    server.wait_for_end(job, 60)
    assert job.status == "completed"
    assert [call.body["outcome"] for call in server.calls("finish")] == ["completed"]


def test_a_job_runs_on_while_the_server_itself_is_away(server, start_robot):
    server.settings["lease_ttl"] = 1
    job = server.add_job(server.add_package(package(RUNS_A_WHILE)), parameters={"seconds": 2.5})
    robot = start_robot()
    begun(server, job)

    with server.away():
        robot.wait_until(lambda: "waits: " in robot.messages())

    server.wait_for_end(job, 60)
    assert job.report["result"] == 1


def test_a_job_is_ended_when_its_robot_hears_nothing_for_too_long(server, start_robot):
    server.settings["lease_ttl"] = 600
    job = server.add_job(server.add_package(package(RUNS_A_WHILE)), parameters={"seconds": 60}, ttl=2)
    robot = start_robot()
    begun(server, job)

    server.faults.delay("sync", 20, times=50)

    robot.wait_until(lambda: not robot.supervisors())
    server.wait_for_end(job)
    assert job.report["error"]["type"] == "LeaseLost"


def test_a_lost_lease_ends_its_job_and_is_still_reported(server, start_robot):
    job = server.add_job(server.add_package(package(RUNS_A_WHILE)), parameters={"seconds": 60}, max_attempts=1)
    start_robot()
    begun(server, job)

    server.lose(job)

    server.wait_until(lambda: server.late_results)
    assert server.late_results[0]["kind"] == "late"
    assert server.late_results[0]["report"]["error"]["type"] == "LeaseLost"


# Refusals of a result


@pytest.mark.parametrize("code", ["conflict", "unknown_job"])
def test_a_conflict_is_a_final_answer(server, start_robot, counted, code):
    server.faults.answer("finish", 409, code)

    robot = start_robot()

    robot.wait_until(lambda: f"the orchestrator says {code}" in robot.messages())
    assert len(server.calls("finish")) == 1


def test_a_result_the_server_does_not_know_goes_into_quarantine(server, start_robot, counted, home):
    server.faults.answer("finish", 404, "unknown")

    robot = start_robot()

    told = "spool_quarantined"
    server.wait_until(lambda: told in [call.body["state"]["problem"] for call in server.calls("sync")])
    assert [path.name.startswith(counted.last.id) for path in (home / "spool" / "quarantine").iterdir()] == [True]
    robot.wait_until(lambda: "goes into quarantine" in robot.messages())


def test_a_result_waits_while_the_robot_is_not_allowed_to_report(server, start_robot, counted):
    server.faults.answer("finish", 403, "robot_disabled", times=2)

    start_robot()

    server.wait_for_end(counted, 30)
    assert counted.status == "completed"


def test_a_lease_is_renewed_until_its_result_is_answered(server, start_robot, counted):
    server.faults.answer("finish", 503, times=1000)
    start_robot()
    server.wait_until(lambda: server.calls("finish"))

    before = len(counted.last.renewals)

    server.wait_until(lambda: len(counted.last.renewals) > before + 2)
    server.faults.clear()
    server.wait_for_end(counted, 60)
    assert counted.last.status == "completed"


def test_a_lease_that_comes_while_the_robot_drains_goes_back(server, start_robot):
    server.slots = 2
    job = server.add_job(server.add_package(package(RUNS_A_WHILE)), parameters={"seconds": 3})
    robot = start_robot()
    begun(server, job)
    server.faults.drop_request("sync", times=3)
    robot.wait_until(lambda: "does not answer as hoped" in robot.messages())

    other = server.add_job(server.add_package(package("def main(): pass")))
    robot.signal(signal.SIGTERM)

    server.wait_until(lambda: other.executions and other.executions[0].status == "released")
    assert robot.wait() == 0
    assert job.report["result"] == 1


def test_a_result_the_server_cannot_take_becomes_a_failure_that_says_so(server, start_robot, counted):
    server.faults.answer("finish", 400, "invalid", detail="too many nodes")

    start_robot()

    server.wait_for_end(counted)
    assert counted.report["error"]["type"] == "ResultRefused"
    assert "too many nodes" in counted.report["error"]["message"]


def test_a_report_refused_in_both_wordings_goes_into_quarantine(server, start_robot, counted, home):
    server.faults.answer("finish", 400, "invalid", times=2)

    robot = start_robot()

    robot.wait_until(lambda: list(home.glob("spool/quarantine/*")))
    assert len(server.calls("finish")) == 2


# Tokens and sessions


def test_a_robot_with_a_key_enrols_again_when_its_token_is_no_longer_good(server, start_robot, counted):
    start_robot()
    server.wait_for_end(counted)

    server.tokens.clear()

    server.wait_until(lambda: len(server.calls("register")) == 2 and server.tokens)
    again = server.add_job(server.add_package(package("def main(): return 2")))
    server.wait_for_end(again)
    assert again.status == "completed"


def test_a_robot_without_a_key_keeps_its_result_until_its_token_is_good_again(server, start_robot, home):
    start_robot(flags=("--until-idle",)).wait()
    job = server.add_job(server.add_package(package(RUNS_A_WHILE)))
    robot = start_robot(url=None, key=None)
    begun(server, job)
    tokens = dict(server.tokens)

    server.tokens.clear()

    robot.wait_until(lambda: "waits: bad_token" in robot.messages())
    server.tokens.update(tokens)
    server.wait_for_end(job, 30)
    assert job.status == "completed"


def test_a_session_that_is_over_is_followed_by_another_and_the_job_runs_on(server, start_robot):
    job = server.add_job(server.add_package(package(RUNS_A_WHILE)), parameters={"seconds": 1.5})
    start_robot()
    begun(server, job)

    server.faults.answer("sync", 409, "session_over")

    server.wait_for_end(job)
    assert job.report["result"] == 1
    assert server.calls("sessions")[1].body["running"] == [job.last.lease_id]
    assert server.calls("sessions")[1].body["resume_secret"] is not None


def test_a_session_in_use_is_tried_again_until_it_is_free(server, start_robot, counted):
    server.faults.answer("sessions", 409, "session_in_use", times=3, headers={"Retry-After": "0.2"})

    start_robot()

    server.wait_for_end(counted)
    assert len(server.calls("sessions")) == 4


def test_a_cloned_identity_takes_no_work_and_says_why(server, start_robot, counted):
    server.faults.answer("sessions", 409, "identity_cloned")

    robot = start_robot()

    robot.wait_until(lambda: "identity_cloned" in robot.messages())
    assert server.calls("sync") == []


def test_a_conflict_of_sequence_numbers_is_told_as_what_it_is(server, start_robot, counted):
    server.faults.answer("sync", 409, "sequence_conflict")

    robot = start_robot()

    server.wait_for_end(counted)
    assert "was this machine's disk copied?" in robot.messages()


# Waiting and pace


def test_a_wait_wakes_the_robot_long_before_its_next_sync(server, start_robot):
    server.is_live, server.settings["wait_max"] = True, 600
    start_robot()
    server.wait_until(lambda: server.calls("wait"))

    job = server.add_job(server.add_package(package("def main(): return 1")))

    server.wait_for_end(job)
    assert job.status == "completed"


def test_a_cancel_reaches_a_waiting_robot_at_once(server, start_robot):
    server.is_live, server.settings["wait_max"], server.settings["renew_every"] = True, 600, 500
    server.settings["lease_ttl"] = 1000
    server.slots = 2
    job = server.add_job(server.add_package(package(RUNS_A_WHILE)), parameters={"seconds": 60})
    start_robot()
    begun(server, job)
    server.wait_until(lambda: server.calls("wait"))

    server.ask(job, "cancel")

    server.wait_for_end(job)
    assert job.status == "cancelled"


def test_without_a_wait_the_robot_syncs_all_the_same(server, start_robot):
    server.is_live = True
    server.settings["wait_max"] = 0.3
    server.faults.answer("wait", 503, times=1000)
    start_robot()
    server.wait_until(lambda: server.calls("wait"))

    job = server.add_job(server.add_package(package("def main(): return 1")))

    server.wait_for_end(job)
    assert job.status == "completed"


def test_more_slots_from_the_server_run_more_jobs_at_once(server, start_robot):
    start_robot()
    server.wait_until(lambda: server.calls("sync"))
    server.slots = 3
    content = server.add_package(package(RUNS_A_WHILE))

    jobs = [server.add_job(content, parameters={"seconds": 60}) for _ in range(3)]

    server.wait_until(lambda: all(job.executions and b"begun" in job.last.log for job in jobs))
    assert {job.status for job in jobs} == {"running"}


def test_a_slow_server_for_logs_does_not_hold_up_renewals(server, start_robot):
    server.settings["lease_ttl"] = 2
    server.faults.delay("log", 3, times=20)
    job = server.add_job(server.add_package(package(RUNS_A_WHILE)), parameters={"seconds": 3})

    start_robot()

    server.wait_until(lambda: job.status == "completed", 30)
    assert len(job.last.renewals) >= 3


def test_a_robot_of_another_machine_is_refused_with_the_servers_words(server, start_robot):
    server.signature = "0" * 64

    robot = start_robot()

    assert robot.wait() == 1
    assert "machine_mismatch" in robot.messages()


def test_a_robot_started_before_its_server_waits_for_it(server, start_robot, counted):
    with server.away():
        robot = start_robot(key=MACHINE_KEY)
        robot.wait_until(lambda: "Not enrolled yet" in robot.messages())

    server.wait_for_end(counted, 30)
    assert counted.status == "completed"
