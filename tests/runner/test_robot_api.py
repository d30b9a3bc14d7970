"""The canonical robot API over HTTP: what a robot sends, what it is answered, and what is refused."""

from __future__ import annotations

import gzip
import hashlib
import json
import time
import uuid
import zlib
from typing import Any

import pytest
from django.test import Client

from apps.jobs import services as jobs
from apps.jobs.models import Execution, JobStatus, LateResult
from apps.robots import services as robots
from apps.robots.models import Robot, RobotSession
from apps.tenancy import services as tenancy
from tests import make
from tests.jobs.reports import job_of

pytestmark = pytest.mark.django_db

ROOT = "/api/v1/runner"
YEAR = 365 * 24 * 3600.0
LINE = b'{"t":"2026-01-31T10:00:00.000Z","l":"INFO","m":"hello"}\n'


class Worker:
    """A robot that calls over HTTP with its token."""

    def __init__(self, robot: Robot, token: str) -> None:
        self.robot = robot
        self.client = Client(headers={"X-Robot-Token": token})

    def post(self, path: str, body: Any = None) -> Any:
        return self.client.post(f"{ROOT}/{path}", json.dumps(body or {}, default=str), "application/json")

    def put_log(self, lease: Any, data: bytes, *, offset: Any = 0, crc32: str | None = None, **headers: str) -> Any:
        sent = {"X-Chunk-CRC32": f"{zlib.crc32(data):08x}" if crc32 is None else crc32} | headers
        body = gzip.compress(data) if headers.get("Content-Encoding") == "gzip" else data
        path = f"{ROOT}/leases/{lease}/log?offset={offset}"
        return self.client.generic("PUT", path, body, "application/x-ndjson", headers=sent)

    def finish(self, execution: Execution, **facts: Any) -> Any:
        told = {"job": execution.job_id, "number": execution.number, "outcome": "completed", "digest": "d", "result": 1}
        return self.post(f"leases/{execution.lease_id}/finish", told | facts)


@pytest.fixture
def process():
    return make.process()


@pytest.fixture
def worker(process):
    return Worker(*make.robot_with_token(of=process.tenant, name="worker-1"))


@pytest.fixture
def execution(worker, process):
    """A lease that the robot holds and has not begun."""
    make.job(process)
    return make.claimed(make.session(worker.robot))


@pytest.fixture
def stranger(process):
    """Another robot of the same tenant."""
    return Worker(*make.robot_with_token(of=process.tenant))


def test_a_robot_opens_a_session_takes_a_job_and_brings_its_result(worker, process):
    job = make.job(process, parameters={"customer": "Jones"}, timeout=60)

    opened = worker.post("sessions", {"instance_id": uuid.uuid4(), "agent": {"version": "1.0.0"}})
    wish = str(uuid.uuid4())
    synced = worker.post("sync", {"session": opened.json()["session"], "seq": 1, "wishes": [wish]}).json()
    (grant,) = synced["grants"]
    lease = grant["lease"]
    started = worker.post(f"leases/{lease['lease']}/start", {"session": opened.json()["session"]})
    finished = worker.finish(Execution.objects.get(), result={"sum": 3})

    assert (opened.status_code, grant["wish"]) == (201, wish)
    assert (lease["job"], lease["number"], lease["timeout"], lease["kind"]) == (str(job.pk), 1, 60, "rpa")
    assert lease["parameters"] == {"customer": "Jones"}
    assert lease["package"]["sha256"] == job.package_sha256
    assert (started.json()["answer"], finished.json()) == ("started", {"answer": "accepted", "adopted": False})
    job.refresh_from_db()
    assert (job.status, job.result) == (JobStatus.COMPLETED, {"sum": 3})


def test_a_session_tells_everything_as_durations(worker):
    opened = worker.post("sessions", {"instance_id": uuid.uuid4()}).json()

    assert opened["robot"]["name"] == "worker-1"
    assert {type(value) for value in opened["settings"].values()} <= {int, float}
    assert (opened["settings"]["renew_every"], opened["settings"]["lease_ttl"]) == (15, 90)


def test_a_session_says_what_a_sync_says_of_the_robot(worker, system):
    robots.update_robot(worker.robot, actor=system, pushed_settings={"log_every": 10})
    opened = worker.post("sessions", {"instance_id": uuid.uuid4()}).json()

    synced = worker.post("sync", {"session": opened["session"], "seq": 1}).json()

    ends_in = [told["config"].pop("token_expires_in") for told in (opened, synced)]
    assert opened["config"] == synced["config"]
    assert opened["config"]["settings"] == {"log_every": 10}
    assert min(ends_in) > 0
    assert (opened["settings"]["log_every"], synced["watched"]) == (3, [])


def test_metrics_are_kept_within_bounds_and_unknown_ones_left_out(worker):
    session = worker.post("sessions", {"instance_id": uuid.uuid4()}).json()["session"]
    told = {"cpu": 1.01, "memory": 0, "disk": 0.5, "disk_free": 5, "load": 5000, "spool_depth": 2, "environments": 4}

    worker.post("sync", {"session": session, "seq": 1, "metrics": told | {"mood": "good", "clock": None}})

    kept = RobotSession.objects.get(pk=session).metrics
    assert kept == told | {"cpu": 1.0, "memory": 0.0, "load": 1000.0}


@pytest.mark.parametrize("wrong_by", [0, -60 * YEAR, 60 * YEAR], ids=["right", "behind", "ahead"])
def test_a_robot_may_sync_however_wrong_its_clock_is(worker, wrong_by):
    session = worker.post("sessions", {"instance_id": uuid.uuid4()}).json()["session"]

    synced = worker.post("sync", {"session": session, "seq": 1, "metrics": {"clock": time.time() + wrong_by}})

    assert synced.status_code == 200
    assert abs(RobotSession.objects.get(pk=session).metrics["clock_skew"] - wrong_by) < 60


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("cpu", "high"),
        ("memory", -0.1),
        ("disk", True),
        ("disk_free", 1.5),
        ("load", -1),
        ("spool_depth", -1),
        ("environments", [1]),
        ("clock", "noon"),
    ],
)
def test_a_metric_that_cannot_be_is_refused_by_name(worker, metric, value):
    session = worker.post("sessions", {"instance_id": uuid.uuid4()}).json()["session"]

    refused = worker.post("sync", {"session": session, "seq": 1, "metrics": {metric: value}})

    assert refused.status_code == 400
    assert [problem["field"] for problem in refused.json()["errors"]] == [f"metrics.{metric}"]


def test_the_same_report_again_is_a_duplicate_and_another_a_conflict(worker, execution):
    worker.finish(execution)

    again, other = worker.finish(execution), worker.finish(execution, digest="e", result=2)

    assert (again.status_code, again.json()["answer"]) == (200, "duplicate")
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    assert LateResult.objects.get().payload["result"] == 2


def test_a_report_of_a_log_that_is_still_owed_asks_for_it(worker, execution):
    whole = {"length": len(LINE), "crc32": f"{zlib.crc32(LINE):08x}"}

    owed = worker.finish(execution, log=whole)
    worker.put_log(execution.lease_id, LINE)
    final = worker.finish(execution, log=whole)

    assert (owed.status_code, owed.json()) == (202, {"answer": "send_log", "offset": 0, "adopted": False})
    assert (final.status_code, final.json()["answer"]) == (200, "duplicate")


@pytest.mark.parametrize("result", [list(range(150_000)), "x" * 900_000, {"rows": [{"n": n} for n in range(50_000)]}])
def test_a_result_may_be_as_big_as_a_robot_is_told(worker, execution, result):
    answer = worker.finish(execution, result=result)

    assert answer.status_code == 200, answer.content[:300]
    assert job_of(execution).result == result


def test_a_report_beyond_the_limit_is_refused(worker, execution, settings):
    answer = worker.finish(execution, result="x" * (settings.RESULT_LIMIT_BYTES + 256 * 1024))

    assert answer.status_code == 413
    assert job_of(execution).status == JobStatus.RUNNING


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"outcome": "perfect"}, "outcome"), ({"job": "x"}, "job"), ({"number": -1}, "number"),
        ({"digest": None}, "digest"), ({"error": "text"}, "error"), ({"exit_code": 2**40}, "exit_code"),
        ({"log": {"length": 1, "crc32": "no"}}, "log"), ({"usage": []}, "usage"),
    ],
)  # fmt: skip
def test_what_a_report_cannot_say_is_refused_by_name(worker, execution, facts, field):
    answer = worker.finish(execution, **facts)

    assert answer.status_code == 400
    assert {problem["field"] for problem in answer.json()["errors"]} == {field}


def test_tokens_in_an_error_are_masked(worker, execution, process):
    _, token = make.robot_with_token(of=process.tenant)
    error = {"type": "E", "message": f"no: {token}", "traceback": f"line 1\n{token}\n", "code": "application_error"}

    worker.finish(execution, outcome="failed", result=None, error=error)

    kept = job_of(execution).error
    assert token not in json.dumps(kept)
    assert kept["message"].startswith("no: bvr_***")


def test_a_lease_is_given_back(worker, execution):
    first = worker.post(f"leases/{execution.lease_id}/release", {"reason": "draining"})
    again = worker.post(f"leases/{execution.lease_id}/release")

    assert (first.json(), again.json()) == ({"answer": "released"}, {"answer": "released"})
    assert job_of(execution).status == JobStatus.PENDING


def test_a_job_asked_to_end_does_not_begin(worker, execution, system):
    jobs.cancel_job(execution.job, actor=system)

    answer = worker.post(f"leases/{execution.lease_id}/start")

    assert (answer.status_code, answer.json()["code"]) == (409, "job_ending")


def test_a_lease_that_is_over_cannot_begin(worker, execution, system):
    jobs.kill_job(execution.job, actor=system)

    answer = worker.post(f"leases/{execution.lease_id}/start")

    assert (answer.status_code, answer.json()["code"]) == (409, "lease_over")


@pytest.mark.parametrize("call", ["start", "release", "finish"])
def test_the_lease_of_another_robot_is_not_there(stranger, execution, call):
    body = {"job": execution.job_id, "number": 1, "outcome": "completed", "digest": "d"}

    answer = stranger.post(f"leases/{execution.lease_id}/{call}", body)

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown")


def test_a_log_grows_by_pieces_packed_or_not(worker, execution):
    first = worker.put_log(execution.lease_id, LINE)
    packed = worker.put_log(execution.lease_id, LINE * 1000, offset=len(LINE), **{"Content-Encoding": "gzip"})

    assert (first.status_code, first.headers["X-Log-Offset"]) == (204, str(len(LINE)))
    assert (packed.status_code, packed.headers["X-Log-Offset"]) == (204, str(len(LINE) * 1001))
    execution.refresh_from_db()
    assert (execution.log_lines, execution.log_crc32) == (1001, zlib.crc32(LINE * 1001))


def test_a_gap_in_a_log_says_from_where_to_send(worker, execution):
    worker.put_log(execution.lease_id, LINE)

    answer = worker.put_log(execution.lease_id, LINE, offset=500)

    assert (answer.status_code, answer.json()["code"], answer.json()["offset"]) == (416, "log_gap", len(LINE))


def test_a_log_beyond_its_limit_says_so(worker, execution, settings):
    settings.LOG_LIMIT_BYTES = len(LINE)

    answer = worker.put_log(execution.lease_id, LINE * 2)

    assert (answer.status_code, answer.headers["X-Log-Truncated"]) == (204, "true")


@pytest.mark.parametrize(
    ("facts", "status", "code"),
    [
        ({"crc32": "00000000"}, 400, "bad_crc"), ({"crc32": "no"}, 400, "invalid"), ({"offset": "-1"}, 400, "invalid"),
        ({"offset": "²"}, 400, "invalid"), ({"offset": 10**17}, 416, "log_gap"),
    ],
)  # fmt: skip
def test_a_piece_that_cannot_be_is_refused(worker, execution, facts, status, code):
    answer = worker.put_log(execution.lease_id, LINE, **facts)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_packed_piece_that_is_none_is_refused(worker, execution):
    headers = {"X-Chunk-CRC32": "00000000", "Content-Encoding": "gzip"}
    path = f"{ROOT}/leases/{execution.lease_id}/log?offset=0"

    answer = worker.client.generic("PUT", path, b"not gzip", "application/x-ndjson", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_gzip")


def test_a_packed_piece_is_inflated_no_further_than_a_piece_may_be_long(worker, execution, settings):
    answer = worker.put_log(execution.lease_id, b"x" * (settings.LOG_CHUNK_BYTES + 1), **{"Content-Encoding": "gzip"})

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_a_robot_downloads_only_what_it_runs_or_could_run(worker, process, execution):
    elsewhere = tenancy.create_folder(process.tenant, actor=make.SYSTEM, name="Elsewhere")
    stranger = Worker(*make.robot_with_token(of=process.tenant, folders=[elsewhere]))
    path = f"{ROOT}/packages/{execution.job.package_version_id}/download"

    taken, refused = worker.client.get(path), stranger.client.get(path)
    spared = worker.client.get(path, headers={"If-None-Match": taken.headers["ETag"]})

    content = b"".join(taken.streaming_content)
    assert hashlib.sha256(content).hexdigest() == execution.job.package_sha256
    assert taken.headers["ETag"] == f'"{execution.job.package_sha256}"'
    assert taken.headers["X-Content-SHA256"] == execution.job.package_sha256
    assert int(taken.headers["Content-Length"]) == len(content)
    assert (spared.status_code, refused.status_code) == (304, 404)


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("path", ["sessions", "sync", "leases/{lease}/start", "leases/{lease}/finish"])
def test_without_a_token_nothing_is_answered(client, execution, path, slash):
    answer = client.post(f"{ROOT}/{path.format(lease=execution.lease_id)}{slash}", "{}", "application/json")

    assert (answer.status_code, answer.json()["detail"]) == (401, "Robot token missing")


def test_the_key_of_a_person_is_no_robot_token(process, execution):
    key = make.api_key(make.user(superuser=True), process.tenant)
    client = Client(headers={"X-Robot-Token": key})

    answer = client.post(f"{ROOT}/sessions", "{}", "application/json")

    assert (answer.status_code, answer.json()["code"]) == (401, "bad_token")


def test_a_lease_says_what_the_job_may_use_of_its_machine(worker):
    process = make.process(make.folder(worker.robot.tenant), memory_limit=512, cpu_limit=0.5, niceness=10)
    make.job(process)
    session = make.session(worker.robot)

    synced = worker.post("sync", {"session": session.pk, "seq": 1, "wishes": [uuid.uuid4()]}).json()

    assert synced["grants"][0]["lease"]["limits"] == {"memory": 536_870_912, "cpu": 0.5, "nice": 10}


def test_a_lease_without_limits_leaves_them_to_the_robot(worker, process):
    make.job(process)
    session = make.session(worker.robot)

    synced = worker.post("sync", {"session": session.pk, "seq": 1, "wishes": [uuid.uuid4()]}).json()

    assert synced["grants"][0]["lease"]["limits"] == {"memory": None, "cpu": None, "nice": None}


@pytest.mark.parametrize("code", ["resource_limit", "robot_stopped"])
def test_an_end_that_its_machine_brought_about_is_tried_again(worker, code):
    make.job(make.process(make.folder(worker.robot.tenant), max_attempts=2))
    execution = make.claimed(make.session(worker.robot))

    worker.finish(execution, outcome="failed", result=None, error={"code": code, "message": "killed"})

    job = job_of(execution)
    assert (job.status, job.reason) == (JobStatus.PENDING, code)
