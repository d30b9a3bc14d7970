"""The calls of existing BV runners, at every address they use."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client

from apps.jobs import services as jobs
from apps.jobs.models import Execution, ExecutionStatus, Job, JobStatus, Plane
from apps.jobs.models.invariants import check_live
from apps.jobs.tasks import sweep_leases
from apps.robots import services as robots
from apps.robots.models import Machine, Robot, RobotSession
from tests import make
from tests.jobs.reports import lose
from tests.runner.older import LINE, ROOTS, SIGNATURE, Runner, hello

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("root", ROOTS)
def test_a_machine_connects_at_every_address(machine, client, root, slash):
    row, key = machine

    answer = client.post(f"{root}/runner/connect-machine{slash}", hello(key), content_type="application/json")

    assert answer.status_code == 200
    assert answer.json()["machine_id"] == str(row.pk)
    assert (answer.json()["status"], answer.json()["heartbeat_timeout_seconds"]) == ("connected", 30)


def test_the_signature_of_the_first_contact_is_bound(machine, client):
    _, key = machine
    client.post("/api/runner/connect-machine", hello(key), content_type="application/json")

    same = client.post(
        "/api/runner/connect-machine", hello(key, machine_signature="host one"), content_type="application/json"
    )
    hashed = hashlib.sha256(b"host one").hexdigest()
    as_hash = client.post(
        "/api/runner/connect-machine", hello(key, machine_signature=hashed), content_type="application/json"
    )
    other = client.post(
        "/api/runner/connect-machine", hello(key, machine_signature="host two"), content_type="application/json"
    )

    assert (same.status_code, as_hash.status_code, other.status_code) == (200, 200, 403)
    assert "machine_signature mismatch" in other.json()["detail"]


def test_a_wrong_machine_key_is_refused(machine, client):
    answer = client.post("/api/runner/connect-machine", hello("bvm_nonsense"), content_type="application/json")

    assert (answer.status_code, answer.json()["detail"]) == (401, "Invalid machine_key")


def test_a_missing_signature_is_named(machine, client):
    answer = client.post("/api/runner/connect-machine", {"machine_key": machine[1]}, content_type="application/json")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "machine_signature"


def test_another_machine_name_is_refused(machine, client):
    answer = client.post(
        "/api/runner/connect-machine", hello(machine[1], machine_name="host-2"), content_type="application/json"
    )

    assert answer.status_code == 403


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("root", ROOTS)
def test_every_call_is_answered_at_every_address_and_none_redirects(machine, runner, root, slash):
    key = {"machine_key": machine[1], "machine_signature": SIGNATURE}
    runner.job()

    answers = [
        runner.client.get(f"{root}/runner/assigned-robots{slash}", key),
        runner.client.post(f"{root}/runner/register-robot{slash}", key | {"name": "x"}, "application/json"),
        runner.post(f"{root}/runner/heartbeat{slash}", machine_signature=SIGNATURE),
        runner.post(f"{root}/runner/next-job{slash}", machine_signature=SIGNATURE),
    ]
    job = answers[-1].json()["job"]
    answers += [
        runner.get(f"{root}/runtime/jobs/{job['id']}/stop-requested{slash}"),
        runner.get(job["package"]["download_url"] + slash),
        runner.post(f"{root}/job-executions/{job['execution_id']}/logs{slash}", **LINE),
        runner.post(f"{root}/runner/jobs/{job['id']}/update{slash}", status="completed"),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 200, 200, 202, 200]
    assert job["package"]["download_url"].startswith(f"{root.removesuffix('/v1')}/runner/")


@pytest.mark.parametrize("root", ["/api", "/acme/orchestrator_"])
def test_a_package_downloads_from_the_address_that_runners_put_together(runner, root):
    job = runner.job()
    package = runner.poll()["package"]

    answer = runner.get(f"{root}/packages/{package['id']}/download")

    assert hashlib.sha256(answer.whole).hexdigest() == job.package_sha256
    assert answer.headers["Content-Type"] == "application/zip"
    assert f"{package['name']}_{package['version']}.bvpackage" in answer.headers["Content-Disposition"]


def test_assigned_robots_says_which_of_them_were_heard(machine, client, runner):
    make.robot(machine[0], name="classic-2")

    listed = client.get("/api/runner/assigned-robots", {"machine_key": machine[1], "machine_signature": SIGNATURE})

    heard, silent = listed.json()["robots"]
    assert (heard["name"], heard["status"], heard["last_heartbeat"] is None) == ("classic-1", "connected", False)
    assert (silent["name"], silent["status"], silent["last_heartbeat"]) == ("classic-2", "disconnected", None)


def test_a_heartbeat_may_tell_of_its_machine(runner):
    runner.post("/api/runner/heartbeat", machine_signature=SIGNATURE, machine_info={"os": "y"})

    assert Machine.objects.get(pk=runner.robot.machine_id).info == {"os": "y"}


def test_assigned_robots_gives_the_same_token_each_time(machine, client, runner):
    again = client.get("/api/runner/assigned-robots", {"machine_key": machine[1], "machine_signature": SIGNATURE})

    assert [item["api_token"] for item in again.json()["robots"]] == [runner.token]


def test_a_robot_registers_itself_and_gets_the_same_token_again(machine, client):
    body = {"name": "new-1", "machine_key": machine[1], "machine_signature": SIGNATURE}

    first = client.post("/api/runner/register-robot", body, content_type="application/json").json()
    second = client.post("/api/runner/register-robot/", body, content_type="application/json").json()

    assert first == second
    assert Robot.objects.get(pk=first["robot_id"]).name == "new-1"


def test_a_robot_of_another_machine_cannot_be_taken_over(machine, client):
    tenant = machine[0].tenant
    make.robot(make.machine(tenant), name="theirs")
    body = {"name": "theirs", "machine_key": machine[1], "machine_signature": SIGNATURE}

    answer = client.post("/api/runner/register-robot", body, content_type="application/json")

    assert (answer.status_code, answer.json()["detail"]) == (400, "Robot already bound to a different machine")


def test_an_idle_robot_is_told_that_there_is_nothing(runner):
    assert runner.poll() is None


def test_a_job_is_repeated_until_the_robot_shows_that_it_knows_of_it(runner):
    runner.job()

    first, second = runner.poll(), runner.poll()

    assert first["id"] == second["id"]
    assert Execution.objects.count() == 1


def test_after_a_sign_of_receipt_a_busy_robot_gets_nothing_more(runner):
    runner.job(), runner.job()
    given = runner.poll()

    asked = runner.get(f"/api/runtime/jobs/{given['id']}/stop-requested")

    assert asked.json() == {"stop_requested": False}
    assert runner.poll() is None


def test_the_job_says_what_older_runners_read(runner):
    job = runner.job()

    given = runner.poll()

    assert given["id"] != str(job.pk)
    assert given["execution_id"] == str(Execution.objects.get().pk)
    assert (given["status"], given["parameters"], given["queue_item_ids"]) == ("running", {}, [])
    assert given["process"]["package_id"] == given["package"]["id"]
    assert given["package"]["hash"] == job.package_sha256


@pytest.mark.parametrize("root", ROOTS)
def test_the_package_downloads_from_the_address_in_the_job_which_shows_that_it_arrived(runner, root):
    job = runner.job()
    given = runner.post(f"{root}/runner/next-job", machine_signature=SIGNATURE).json()["job"]

    answer = runner.get(given["package"]["download_url"])

    assert hashlib.sha256(answer.whole).hexdigest() == job.package_sha256
    assert Execution.objects.get().receipt_at is not None


def test_a_cancelled_job_tells_its_robot_to_stop(runner, system):
    job = runner.job()
    given = runner.poll()
    jobs.cancel_job(job, actor=system)

    answer = runner.get(f"/api/runtime/jobs/{given['id']}/stop-requested")

    assert answer.json() == {"stop_requested": True}


def test_a_robot_that_lost_its_job_is_told_to_stop_though_another_runs_it(runner):
    job = make.job(make.process(make.folder(runner.robot.tenant), max_attempts=3))
    given = runner.poll()
    runner.get(f"/api/runtime/jobs/{given['id']}/stop-requested")
    lose(Execution.objects.get())
    Job.objects.filter(pk=job.pk).update(available_at=Now())
    make.claimed(make.session(make.robot(of=runner.robot.tenant)))

    answer = runner.get(f"/api/runtime/jobs/{given['id']}/stop-requested")

    assert Job.objects.get().status == JobStatus.RUNNING
    assert answer.json() == {"stop_requested": True}


def test_a_heartbeat_does_not_keep_what_the_robot_never_acknowledged(runner):
    runner.job()
    runner.poll()
    Execution.objects.update(start_by=Now() - timedelta(seconds=1))
    Plane.objects.update(ticked_at=Now(), gap_ended_at=None)

    beat = runner.post("/api/runner/heartbeat", machine_signature=SIGNATURE)
    sweep_leases()

    assert beat.json() == {"status": "ok"}
    assert Execution.objects.get().status == ExecutionStatus.LOST


def test_a_heartbeat_names_a_robot_id_that_is_not_its_own(runner):
    answer = runner.post("/api/runner/heartbeat", machine_signature=SIGNATURE, robot_id=str(make.tenant().pk))

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "robot_id"


def test_connecting_again_gives_up_what_was_held(runner, machine, client):
    job = runner.job()
    given = runner.poll()
    runner.get(f"/api/runtime/jobs/{given['id']}/stop-requested")

    client.post("/api/runner/connect-machine", hello(machine[1]), content_type="application/json")

    job.refresh_from_db()
    assert Execution.objects.get().status == ExecutionStatus.LOST
    assert (job.status, job.reason) == (JobStatus.FAILED, "lost")


def test_a_missing_and_a_wrong_robot_token_are_refused(client):
    missing = client.post("/api/runner/next-job", {}, content_type="application/json")
    wrong = client.post("/api/runner/next-job", {}, content_type="application/json", headers={"X-Robot-Token": "x"})

    assert (missing.status_code, missing.json()["detail"]) == (401, "Robot token missing")
    assert (wrong.status_code, wrong.json()["detail"]) == (401, "Invalid robot token")


@pytest.mark.django_db(transaction=True)
def test_twenty_pollers_give_each_job_out_once():
    folder = make.folder()
    process = make.process(folder)
    jobs.create_jobs(process, actor=make.SYSTEM, wanted=[jobs.Wanted(parameters={}) for _ in range(500)])
    machine, key = robots.create_machine(folder.tenant, actor=make.SYSTEM, name="many")
    robots.meet_machine(machine, actor=make.SYSTEM, signature=SIGNATURE)
    fleet = [robots.register_robot(machine, actor=make.SYSTEM, key=key, name=f"poller-{n}") for n in range(20)]

    with ThreadPoolExecutor(20) as pool:
        handed_out = [pair for worked in pool.map(work_until_empty, fleet) for pair in worked]

    assert len(handed_out) == len({handle for handle, _ in handed_out}) == 500
    assert {status for _, status in handed_out} == {200}
    assert Job.objects.filter(status=JobStatus.COMPLETED).count() == Execution.objects.count() == 500
    assert [str(finding) for finding in check_live() if not finding.holds] == []


def work_until_empty(robot_and_token) -> list[tuple[str, int]]:
    """Poll and complete until there is nothing; returns each handle with the status of its report."""
    robot, token = robot_and_token
    runner, done = Runner(Client(), robot, token), []
    try:
        while given := runner.poll():
            answer = runner.post(
                f"/api/runner/jobs/{given['id']}/update", status="completed", result={"by": robot.name}
            )
            done.append((given["id"], answer.status_code))
    finally:
        connection.close()
    return done


def test_a_modern_robot_is_not_disturbed_by_its_machine_connecting(machine, client):
    row, key = machine
    robot = make.robot(row)
    session = make.session(robot)

    client.post("/api/runner/connect-machine", hello(key), content_type="application/json")

    assert RobotSession.objects.get(robot=robot, ended_at=None).pk == session.pk
