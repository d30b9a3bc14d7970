"""The credential of a running job: what it is good for, what it is refused for, and when it dies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.jobs import services as jobs
from apps.jobs.models import Execution, JobToken, LogChunk, LogStream
from apps.jobs.rules.reports import End
from apps.rbac import services as rbac
from apps.robots import services as robots
from apps.robots.models import Robot
from apps.runner import services as runner
from apps.tenancy import services as tenancy
from tests import make
from tests.jobs.reports import fail, finish, lose
from tests.runner.older import LINE, ROOTS

pytestmark = pytest.mark.django_db

JSON = "application/json"


class Speaker:
    """Whoever holds a token, over HTTP."""

    def __init__(self, token: str) -> None:
        self.client = Client(headers={"X-Robot-Token": token})

    def post(self, path: str, body: Any = None) -> Any:
        return self.client.post(path, json.dumps(body or {}, default=str), JSON)

    def put(self, path: str, body: Any) -> Any:
        return self.client.put(path, json.dumps(body, default=str), JSON)

    def get(self, path: str) -> Any:
        return self.client.get(path)

    def log(self, execution: Execution, root: str = "/api/v1") -> Any:
        return self.post(f"{root}/job-executions/{execution.pk}/logs", LINE)

    def asks(self, handle: Any, root: str = "/api/v1") -> Any:
        return self.get(f"{root}/runtime/jobs/{handle}/stop-requested")


def started(execution: Execution) -> Speaker:
    """The job of an execution, begun by its robot, with its own token."""
    return Speaker(str(jobs.start_with_token(execution, actor=make.acting(execution.robot))))


def a_lease(inside: Any = None) -> Execution:
    waiting = make.job(make.process(inside))
    return make.claimed(make.session(make.robot(of=waiting.tenant)))


@pytest.fixture
def execution():
    """A lease that has not begun."""
    return a_lease()


@pytest.fixture
def job(execution):
    """Its job, once it has begun."""
    return started(execution)


def test_a_start_answers_the_same_token_each_time(execution):
    _, token = make.robot_with_token(of=execution.tenant)
    text = robots.rotate_token(execution.robot, actor=make.SYSTEM)
    robot, path = Speaker(text), f"/api/v1/runner/leases/{execution.lease_id}/start"

    first, again = robot.post(path).json(), robot.post(path).json()
    stranger = Speaker(token).post(path)

    assert first == again
    assert (first["answer"], first["job_token"][:4]) == ("started", "bvj_")
    assert stranger.status_code == 404
    assert JobToken.objects.get().execution == execution


def test_each_try_has_a_token_of_its_own(execution):
    first = jobs.start_with_token(execution, actor=make.acting(execution.robot))
    other = a_lease()

    assert str(first) != str(jobs.start_with_token(other, actor=make.acting(other.robot)))


def test_only_its_hash_is_kept(execution):
    token = jobs.start_with_token(execution, actor=make.acting(execution.robot))

    kept = JobToken.objects.values_list("public", "digest").get()

    assert kept[0] == token.public
    assert token.secret not in kept[1]
    assert not AuditEntry.objects.filter(after__icontains=token.secret).exists()


def test_a_token_costs_a_start_one_statement(execution):
    other = a_lease()
    with CaptureQueriesContext(connection) as plain:
        jobs.start_execution(execution, actor=make.acting(execution.robot))

    with CaptureQueriesContext(connection) as with_token:
        jobs.start_with_token(other, actor=make.acting(other.robot))

    assert len(with_token) == len(plain) + 1


def test_a_job_is_known_by_one_statement(execution, job):
    with CaptureQueriesContext(connection) as asked:
        job.asks(execution.lease_id)

    assert len(asked) == 2  # The other one reads the job.


@pytest.mark.parametrize("root", ROOTS)
def test_a_job_logs_for_itself_wherever_clients_call(execution, job, root):
    answer = job.log(execution, root)

    assert (answer.status_code, answer.json()) == (202, {"status": "accepted", "stored": True})
    assert b"careful" in bytes(LogChunk.of(execution.pk, LogStream.API).get().data)


@pytest.mark.parametrize("root", ROOTS)
def test_a_job_asks_whether_it_shall_stop_by_its_lease_or_its_own_id(execution, job, root):
    before = [job.asks(handle, root).json() for handle in (execution.lease_id, execution.job_id)]
    jobs.stop_job(execution.job, actor=make.SYSTEM)
    after = [job.asks(handle, root).json() for handle in (execution.lease_id, execution.job_id)]

    assert before == [{"stop_requested": False}] * 2
    assert after == [{"stop_requested": True}] * 2


def test_a_job_that_is_being_cancelled_is_told_so_and_logs_on(execution, job):
    jobs.cancel_job(execution.job, actor=make.SYSTEM)

    assert job.asks(execution.job_id).json() == {"stop_requested": True}
    assert job.log(execution).status_code == 202


def test_another_execution_is_not_there_for_it(job, execution):
    in_tenant = make.running_job(make.process(execution.folder))
    elsewhere = make.running_job()

    answers = [job.log(in_tenant), job.log(elsewhere), job.asks(in_tenant.lease_id), job.asks(elsewhere.job_id)]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "unknown")] * 4


REFUSED = [
    ("POST", "runner/sessions"),
    ("POST", "runner/sync"),
    ("POST", "runner/heartbeat"),
    ("POST", "runner/next-job"),
    ("POST", "runner/leases/{lease}/start"),
    ("POST", "runner/leases/{lease}/finish"),
    ("POST", "runner/leases/{lease}/release"),
    ("PUT", "runner/leases/{lease}/log"),
    ("POST", "runner/jobs/{lease}/update"),
    ("GET", "runner/packages/{version}/download"),
]


@pytest.mark.parametrize(("method", "path"), REFUSED)
def test_every_call_of_the_robot_itself_refuses_it(execution, job, method, path):
    named = path.format(lease=execution.lease_id, version=execution.job.package_version_id)

    answer = job.client.generic(method, f"/api/v1/{named}", "{}", JSON)

    assert (answer.status_code, answer.json()["code"]) == (403, "job_token")


def test_it_signs_nobody_in_to_the_rest_of_the_api(job):
    assert job.get("/api/v1/jobs").status_code == 401
    assert job.get("/api/v1/robots").status_code == 401


def end_finished(execution):
    finish(execution)


def end_failed(execution):
    fail(execution)


def end_lost(execution):
    lose(execution)


def end_killed(execution):
    jobs.kill_job(execution.job, actor=make.SYSTEM)


def end_released(execution):
    jobs.release_execution(execution, actor=make.acting(execution.robot))


def end_cancelled(execution):
    jobs.cancel_job(execution.job, actor=make.SYSTEM)
    finish(execution, End.CANCELLED)


def end_disabled(execution):
    runner.disable_robot(execution.robot, actor=make.SYSTEM)


ENDS = [end_finished, end_failed, end_lost, end_killed, end_released, end_cancelled]


@pytest.mark.parametrize("end", ENDS)
def test_it_dies_with_its_execution(execution, job, end):
    assert job.log(execution).status_code == 202
    end(execution)

    answers = [job.log(execution), job.asks(execution.lease_id)]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(401, "bad_token")] * 2


def test_the_next_try_does_not_wake_the_old_token(execution, job):
    jobs.release_execution(execution, actor=make.acting(execution.robot))
    again = make.claimed(make.session(make.robot(of=execution.tenant)))
    newer = started(again)

    assert job.log(execution).status_code == 401
    assert job.log(again).status_code == 401
    assert newer.log(again).status_code == 202


def test_it_is_refused_while_its_robot_is_disabled(execution, job):
    Robot.objects.filter(pk=execution.robot_id).update(enabled=False)

    answer = job.log(execution)

    assert (answer.status_code, answer.json()["code"]) == (403, "robot_disabled")


def test_disabling_its_robot_ends_it(execution, job):
    end_disabled(execution)

    assert job.log(execution).status_code == 401


def test_it_is_refused_while_its_tenant_is_suspended(execution, job):
    tenancy.suspend_tenant(execution.tenant, actor=make.SYSTEM, reason="unpaid")

    answer = job.log(execution)

    assert (answer.status_code, answer.json()["code"]) == (403, "tenant_suspended")


@pytest.mark.parametrize("text", ["bvj_", "bvj_x", "bvj_0123456789_" + "0" * 49])
def test_an_invented_token_is_nobodys(execution, text):
    assert Speaker(text).log(execution).status_code == 401


def test_a_token_with_another_secret_is_nobodys(execution):
    token = jobs.start_with_token(execution, actor=make.acting(execution.robot))
    forged = type(token)(token.kind, token.public, token.secret[::-1])

    assert Speaker(str(forged)).log(execution).status_code == 401


def test_a_job_may_speak_for_its_own_execution_and_for_nothing_else():
    own, other = make.running_job(), make.running_job()
    actor = Actor.job(own.pk, "invoices", own.tenant_id)

    assert rbac.allows(actor, "jobs.report_execution", own)
    assert not rbac.allows(actor, "jobs.report_execution", other)
    assert not rbac.allows(actor, "jobs.cancel_job", own.job)
    assert not rbac.allows(actor, "jobs.claim_job", own)
    assert not rbac.allows(actor, "jobs.report_execution")
    assert not rbac.allows(actor, "jobs.report_execution", rbac.EVERYWHERE)
    assert not rbac.allows(Actor.job(own.pk, "invoices", other.tenant_id), "jobs.report_execution", own)
    assert rbac.visible(Execution.objects.all(), actor, "jobs.view_job").count() == 0
    assert rbac.reach(actor, "jobs.view_job") == rbac.Reach()
