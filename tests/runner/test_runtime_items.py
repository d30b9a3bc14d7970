"""Items that robots and running jobs take and add, with their own tokens."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from apps.jobs import services as jobs
from apps.queues import services as queues
from apps.queues.models import ItemLease, Queue, QueueItem
from apps.robots import services as robots
from apps.tenancy import services as tenancy
from tests import api, make
from tests.runner.older import ROOTS
from tests.runner.test_job_tokens import Speaker, started

pytestmark = pytest.mark.django_db

RUNTIME = "/api/v1/runtime"


@pytest.fixture
def execution():
    """A lease on a job in a folder with a queue of invoices."""
    process = make.process(make.folder())
    make.queue(process.folder, name="Invoices", max_attempts=2)
    make.job(process)
    return make.claimed(make.session(make.robot(of=process.tenant)))


@pytest.fixture
def queue(execution):
    """The queue of the job's folder."""
    return Queue.objects.get(folder_id=execution.folder_id)


@pytest.fixture
def job(execution):
    """The job, once it has begun."""
    return started(execution)


@pytest.fixture
def robot(execution):
    """Its robot, in its own name."""
    return Speaker(robots.rotate_token(execution.robot, actor=make.SYSTEM))


def take(speaker: Speaker, named: Any = "invoices", **body: Any) -> Any:
    return speaker.post(f"{RUNTIME}/queues/{named}/take", body)


def finish(speaker: Speaker, lease: str, **report: Any) -> Any:
    return speaker.post(f"{RUNTIME}/item-leases/{lease}/finish", report or {"status": "done"})


@pytest.mark.parametrize("root", ROOTS)
def test_a_job_adds_takes_renews_and_finishes(execution, queue, job, root):
    added = job.post(f"{root}/runtime/queues/Invoices/items", {"items": [{"payload": {"n": 1}}, {"payload": {"n": 2}}]})
    taken = job.post(f"{root}/runtime/queues/{queue.pk}/take", {"count": 5}).json()["items"]
    renewed = job.post(f"{root}/runtime/item-leases/{taken[0]['id']}/renew", {"progress": {"page": 1}})
    ended = job.post(f"{root}/runtime/item-leases/{taken[0]['id']}/finish", {"status": "done", "result": 7})
    given_back = job.post(f"{root}/runtime/item-leases/{taken[1]['id']}/release")

    assert (added.status_code, added.json()["count"]) == (201, 2)
    assert [one["item"]["payload"] for one in taken] == [{"n": 1}, {"n": 2}]
    assert (renewed.status_code, renewed.json()["expires_at"]) == (200, None)
    assert (ended.json()["status"], given_back.json()["status"]) == ("done", "new")
    lease = ItemLease.objects.get(lease_id=taken[0]["id"])
    assert (lease.holder_kind, lease.holder_id, lease.execution_id) == ("execution", execution.robot_id, execution.pk)
    assert lease.item.job_id == execution.job_id


def test_several_are_ended_at_once(queue, job):
    make.items(queue, 1, 2, 3)
    taken = [one["id"] for one in take(job, count=3).json()["items"]]

    ended = job.post(f"{RUNTIME}/item-leases/finish", {"reports": [{"lease": one, "status": "done"} for one in taken]})

    assert [(one["lease"], one["answer"]) for one in ended.json()["reports"]] == [(one, "accepted") for one in taken]


def test_a_robot_takes_under_a_lease_of_its_own(execution, queue, robot):
    make.item(queue)

    [taken] = take(robot).json()["items"]

    lease = ItemLease.objects.get(lease_id=taken["id"])
    assert (lease.holder_kind, lease.holder_id, lease.execution_id) == ("robot", execution.robot_id, None)
    assert lease.expires_at is not None
    assert finish(robot, taken["id"]).json()["answer"] == "accepted"


def test_a_robot_speaks_for_what_its_job_took_and_a_job_not_for_what_its_robot_took(execution, queue, job, robot):
    make.items(queue, 1, 2)
    [of_job], [of_robot] = take(job).json()["items"], take(robot).json()["items"]

    assert finish(job, of_robot["id"]).status_code == 404
    assert finish(robot, of_job["id"]).status_code == 200


def test_a_job_speaks_for_nothing_that_another_took(execution, queue, job):
    make.job(make.process(execution.folder))
    other = started(make.claimed(make.session(make.robot(of=execution.tenant))))
    make.item(queue)

    [taken] = take(job).json()["items"]

    assert finish(other, taken["id"]).status_code == 404
    assert take(other).json() == {"items": []}


def test_what_a_job_took_cannot_be_taken_once_it_was_asked_to_end(execution, queue, job):
    make.item(queue)
    jobs.stop_job(execution.job, actor=make.SYSTEM)

    refused = take(job)

    assert (refused.status_code, refused.json()["code"]) == (409, "job_ending")
    assert QueueItem.objects.get(queue=queue).status == "new"


def test_a_job_that_has_ended_takes_nothing(execution, queue, job):
    make.item(queue)
    jobs.kill_job(execution.job, actor=make.SYSTEM)

    assert take(job).status_code == 401


def test_the_same_key_takes_and_adds_once(queue, job):
    make.items(queue, 1, 2)
    keyed = {"Idempotency-Key": "k"}

    first, again = (
        job.client.post(f"{RUNTIME}/queues/Invoices/take", {}, "application/json", headers=keyed) for _ in "ab"
    )

    assert first.json() == again.json()
    assert ItemLease.objects.count() == 1


class TestWhatIsNotTheirs:
    def test_a_folder_that_the_robot_does_not_work_for(self, execution, queue, job, robot):
        elsewhere = tenancy.create_folder(execution.tenant, actor=make.SYSTEM, name="Elsewhere")
        hidden = make.queue(elsewhere, name="Hidden")
        make.item(hidden)

        answers = [take(speaker, named) for speaker in (job, robot) for named in ("Hidden", hidden.pk)]

        assert {(one.status_code, one.json()["code"]) for one in answers} == {(404, "unknown_queue")}
        assert QueueItem.objects.get(queue=hidden).status == "new"

    def test_another_tenant(self, job, robot):
        foreign = make.queue(name="Foreign")
        make.item(foreign)

        told = [take(speaker, named).json() for speaker in (job, robot) for named in (foreign.pk, uuid.uuid4())]

        assert {one["detail"] for one in told} == {"There is no such queue."}

    def test_a_lease_of_another_tenant(self, job, robot):
        lease = make.taken()

        assert [finish(speaker, lease.lease_id).status_code for speaker in (job, robot)] == [404, 404]

    def test_a_folder_taken_from_the_robot_while_its_job_runs(self, execution, queue, job):
        elsewhere = tenancy.create_folder(execution.tenant, actor=make.SYSTEM, name="Elsewhere")
        robots.update_robot(execution.robot, actor=make.SYSTEM, folders=[elsewhere])

        assert take(job).status_code == 404

    def test_the_rest_of_the_api(self, queue, job, robot):
        answers = [one.post(f"/api/v1/queues/{queue.pk}/take") for one in (job, robot)]

        assert [one.status_code for one in answers] == [401, 401]


class TestNames:
    def test_the_queue_of_the_jobs_own_folder_goes_first(self, execution, queue, job, robot):
        other = tenancy.create_folder(execution.tenant, actor=make.SYSTEM, name="Other")
        make.queue(other, name="Invoices")
        robots.update_robot(execution.robot, actor=make.SYSTEM, folders=[execution.folder, other])
        make.item(queue, payload="mine")

        own = take(job).json()["items"]
        refused = take(robot)

        assert [one["item"]["payload"] for one in own] == ["mine"]
        assert api.fields_refused(refused) == {"queue_name"}

    def test_a_paused_queue_says_why(self, queue, job):
        queues.pause_queue(queue, actor=make.SYSTEM, reason="the bank is closed")

        assert take(job).json()["reason"] == "the bank is closed"


@pytest.mark.parametrize(
    ("call", "body", "field"),
    [
        ("queues/Invoices/take", {"count": 0}, "count"),
        ("queues/Invoices/items", {"items": []}, "items"),
        ("queues/Invoices/items", {}, "items"),
        ("queues/Invoices/items", {"items": [{"retries": 1}]}, "items.0.retries"),
    ],
)
def test_what_is_wrong_is_named(queue, job, call, body, field):
    assert api.fields_refused(job.post(f"{RUNTIME}/{call}", body)) == {field}


def test_what_comes_too_late_is_refused(queue, robot):
    make.item(queue)
    [taken] = take(robot).json()["items"]
    lease = ItemLease.objects.get(lease_id=taken["id"])
    ItemLease.objects.filter(pk=lease.pk).update(expires_at=Now() - timedelta(seconds=1))
    queues.sweep_lease(lease, actor=make.SYSTEM)
    make.taken(queue)

    late = finish(robot, taken["id"])

    assert (late.status_code, late.json()["code"]) == (409, "late")
