"""Queues and items in the words of existing BV clients."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client

from apps.jobs import services as jobs
from apps.queues import services as queues
from apps.queues.models import ItemLease, Queue, QueueItem
from apps.queues.services import Report
from apps.robots import services as robots
from apps.tenancy import services as tenancy
from tests import api, make

pytestmark = pytest.mark.django_db

#: Below what such clients call.
ROOTS = ["/api", "/acme/orchestrator_", "/some/prefix/acme/orchestrator_"]
EVERYTHING = (
    "queues.view_queue", "queues.add_queue", "queues.change_queue", "queues.delete_queue", "queues.view_queueitem",
    "queues.take_queueitem", "queues.add_queueitem", "queues.requeue_queueitem", "queues.delete_queueitem",
    "tenancy.view_tenant", "tenancy.view_folder",
)  # fmt: skip


class OldClient:
    """A program that calls as the released ones do."""

    def __init__(self, root: str = "/api", **headers: str) -> None:
        self.root, self.client = root, Client(headers=headers)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = "" if body is None else json.dumps(body, default=str)
        return self.client.generic(method, f"{self.root}{path}", data, "application/json")

    def next(self, queue: str = "Invoices") -> Any:
        answer = self.call("GET", f"/queue-items/next?queue_name={queue}")
        assert answer.status_code == 200, answer.content
        return answer.json()

    def add(self, **item: Any) -> Any:
        return self.call("POST", "/queue-items/add", {"queue_name": "Invoices", "payload": {}} | item)

    def set_status(self, handle: Any, **told: Any) -> Any:
        return self.call("PUT", f"/queue-items/{handle}/status", told)


@pytest.fixture
def execution():
    """A lease on a job in a folder with a queue of invoices."""
    process = make.process(make.folder())
    make.queue(process.folder, name="Invoices", max_attempts=2, backoff_base=0)
    make.job(process)
    return make.claimed(make.session(make.robot(of=process.tenant)))


@pytest.fixture
def queue(execution):
    """The queue of the job's folder."""
    return Queue.objects.get(folder_id=execution.folder_id)


def developer(queue, *permissions, root="/api"):
    """Somebody's program with an API key."""
    person = make.user(*(permissions or EVERYTHING), inside=queue.tenant)
    return OldClient(root, Authorization=f"Bearer {make.api_key(person, queue.tenant)}")


def robot_of(execution, root="/api"):
    return OldClient(root, **{"X-Robot-Token": robots.rotate_token(execution.robot, actor=make.SYSTEM)})


def job_of(execution, root="/api"):
    token = jobs.start_with_token(execution, actor=make.acting(execution.robot))
    return OldClient(root, **{"X-Robot-Token": str(token)})


WORKERS = {
    "person": lambda execution, root: developer(Queue.objects.get(folder_id=execution.folder_id), root=root),
    "robot": robot_of,
    "job": job_of,
}


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("who", WORKERS)
def test_an_item_is_added_handed_out_and_done(execution, queue, who, root):
    client = WORKERS[who](execution, root)

    added = client.add(payload={"n": 1}, reference="INV-1", priority=2)
    got = client.next()
    done = client.set_status(got["id"], status="DONE", result={"paid": True}, error_message=None)

    item = QueueItem.objects.get(queue=queue)
    lease = ItemLease.objects.get(item=item)
    assert (added.status_code, added.json()) == (200, {"id": str(item.pk)})
    assert {name: got[name] for name in ("id", "payload", "reference", "priority", "queue_name", "retries")} == {
        "id": str(lease.lease_id), "payload": {"n": 1}, "reference": "INV-1", "priority": 2, "queue_name": "Invoices",
        "retries": 0,
    }  # fmt: skip
    assert (done.status_code, done.json()["status"]) == (200, "DONE")
    assert (item.status, item.result) == ("done", {"paid": True})
    assert (lease.execution_id is not None) == (who == "job")


@pytest.mark.parametrize("who", WORKERS)
def test_an_empty_queue_is_null(execution, queue, who):
    assert WORKERS[who](execution, "/api").next() is None


def test_a_paused_queue_and_a_job_that_shall_end_get_null(execution, queue):
    make.item(queue)
    job = job_of(execution)
    queues.pause_queue(queue, actor=make.SYSTEM)
    paused = job.next()
    queues.resume_queue(queue, actor=make.SYSTEM)
    jobs.stop_job(execution.job, actor=make.SYSTEM)

    assert (paused, job.next()) == (None, None)


class TestStatus:
    @pytest.fixture
    def client(self, execution):
        return job_of(execution)

    @pytest.fixture
    def got(self, queue, client):
        """An item that the client has got."""
        make.item(queue, reference="INV-1")
        return client.next()

    @pytest.mark.parametrize(
        ("told", "kept"),
        [
            ({"status": "DONE", "result": 1, "error_message": None}, ("done", 1, "", "")),
            ({"status": "DONE", "output": {"a": 1}}, ("done", {"a": 1}, "", "")),
            ({"status": "done"}, ("done", None, "", "")),
            (
                {"status": "FAILED", "error_message": "x", "error_type": "BUSINESS", "terminal": True, "result": None},
                ("failed", None, "business", "x"),
            ),
            (
                {"status": "FAILED", "error_reason": "x", "error_type": "APPLICATION"},
                ("failed", None, "application", "x"),
            ),
            ({"status": "FAILED", "error_message": "x"}, ("failed", None, "application", "x")),
            ({"status": "FAILED", "error_message": "x", "terminal": True}, ("failed", None, "business", "x")),
            ({"status": "ABANDONED", "error_message": "x"}, ("abandoned", None, "", "x")),
            (
                {"status": "ABANDONED", "error_reason": "x", "error_type": "BUSINESS"},
                ("abandoned", None, "business", "x"),
            ),
        ],
    )
    def test_is_set_in_either_vocabulary(self, client, got, told, kept):
        answer = client.set_status(got["id"], **told)

        item = QueueItem.objects.get(pk=got["item_id"])
        assert answer.status_code == 200
        assert (item.status, item.result, item.error_type, item.error_reason) == kept

    def test_a_failure_that_is_tried_again_comes_back_with_one_retry_more(self, client, got):
        failed = client.set_status(got["id"], status="FAILED", error_message="x", error_type="APPLICATION").json()
        QueueItem.objects.filter(pk=failed["item_id"]).update(available_at=Now())

        again = client.next()

        assert (failed["id"], failed["status"]) == (got["id"], "NEW")
        assert (again["retries"], again["reference"], again["item_id"]) == (1, "INV-1", failed["item_id"])
        assert again["id"] != got["id"]

    @pytest.mark.parametrize(
        ("told", "field"),
        [
            ({"status": "NEW"}, "status"),
            ({}, "status"),
            ({"status": 3}, "status"),
            ({"status": "FAILED"}, "error_reason"),
            ({"status": "FAILED", "error_message": "x", "error_type": "COSMIC"}, "error_type"),
            ({"status": "FAILED", "error_message": 7}, "error_message"),
            ({"status": "DONE", "error_message": "x"}, "error_type"),
            ({"status": "ABANDONED"}, "error_reason"),
            ({"status": "FAILED", "error_message": "x", "terminal": 1}, "terminal"),
        ],
    )
    def test_what_is_wrong_is_named_and_told_in_detail(self, client, got, told, field):
        refused = client.set_status(got["id"], **told)

        assert api.fields_refused(refused) == {field}
        assert isinstance(refused.json()["detail"], str)
        assert QueueItem.objects.get(pk=got["item_id"]).status == "in_progress"

    def test_the_items_own_id_is_not_taken_for_the_lease(self, client, got):
        assert client.set_status(got["item_id"], status="DONE").status_code == 404

    def test_another_client_cannot_set_it(self, queue, execution, got):
        answers = [one.set_status(got["id"], status="DONE") for one in (developer(queue), OldClient())]

        assert [one.status_code for one in answers] == [404, 401]

    def test_a_client_that_was_too_late_is_told(self, queue, execution):
        robot = robot_of(execution)
        make.item(queue)
        got = robot.next()
        lease = ItemLease.objects.get(lease_id=got["id"])
        ItemLease.objects.filter(pk=lease.pk).update(expires_at=Now() - timedelta(seconds=1))
        queues.sweep_lease(lease, actor=make.SYSTEM)
        second = robot.next()

        late = robot.set_status(got["id"], status="DONE")

        assert (late.status_code, late.json()["code"]) == (409, "late")
        assert robot.set_status(second["id"], status="DONE").status_code == 200


class TestAdding:
    @pytest.mark.parametrize("named", ["queue_name", "queue_id", "queue_external_id"])
    def test_by_any_name_of_the_queue(self, queue, named):
        name = "Invoices" if named == "queue_name" else str(queue.pk)

        made = developer(queue).call("POST", "/queue-items", {named: name, "payload": [1]})

        assert made.status_code == 201
        assert {name: made.json()[name] for name in ("queue_id", "status", "payload", "retries", "reference")} == {
            "queue_id": str(queue.pk), "status": "NEW", "payload": [1], "retries": 0, "reference": None,
        }  # fmt: skip

    def test_a_reference_that_is_taken_is_409(self, queue):
        queues.update_queue(queue, actor=make.SYSTEM, unique_references="always")
        client = developer(queue)
        client.add(reference="INV-1")

        refused = client.add(reference="INV-1")

        assert refused.status_code == 409
        assert "INV-1" in refused.json()["detail"]

    @pytest.mark.parametrize(
        ("field", "value"),
        [("priority", 4), ("priority", -1), ("priority", "HIGH"), ("reference", "x" * 201), ("reference", 7)],
    )
    def test_what_is_wrong_is_named(self, queue, field, value):
        assert api.fields_refused(developer(queue).add(**{field: value})) == {field}

    @pytest.mark.parametrize("name", [None, "", 7])
    def test_the_queue_must_be_named(self, queue, name):
        assert api.fields_refused(developer(queue).add(queue_name=name)) == {"queue_name"}

    @pytest.mark.parametrize("by", ["pk", "name"])
    def test_of_several_of_a_name_that_of_the_folder_in_the_header_is_meant(self, queue, by):
        other = tenancy.create_folder(queue.tenant, actor=make.SYSTEM, name="Other")
        theirs = make.queue(other, name="Invoices")
        client = developer(queue)

        unclear = client.add()
        client.client.defaults["HTTP_X_FOLDER_ID"] = str(getattr(other, by))
        clear = client.add()

        assert api.fields_refused(unclear) == {"queue_name"}
        assert QueueItem.objects.get(pk=clear.json()["id"]).queue == theirs

    def test_an_unknown_queue_and_another_tenants_are_not_there(self, queue):
        make.queue(name="Foreign")

        answers = [developer(queue).add(queue_name=name).json()["code"] for name in ("Foreign", "None")]

        assert answers == ["unknown_queue", "unknown_queue"]


class TestReading:
    def test_items_by_queue_and_status(self, queue):
        make.items(queue, 1, 2, 3)
        make.taken(queue)
        client = developer(queue)

        def payloads(query):
            return [one["payload"] for one in client.call("GET", f"/queue-items?{query}").json()]

        assert payloads("queue_name=Invoices") == [3, 2, 1]
        assert payloads(f"queue_id={queue.pk}&status=NEW&limit=1") == [3]
        assert payloads("queue_name=Invoices&status=in_progress") == [1]

    @pytest.mark.parametrize(
        ("query", "field"), [("", "queue_name"), ("queue_name=Invoices&status=x", "status"),
                             ("queue_name=Invoices&limit=0", "limit"), ("queue_id=7", "queue_id")],
    )  # fmt: skip
    def test_what_cannot_be_asked_is_refused_by_name(self, queue, query, field):
        assert api.fields_refused(developer(queue).call("GET", f"/queue-items?{query}")) == {field}

    def test_robots_and_jobs_list_queues_but_read_no_items_of_others(self, execution, queue):
        make.item(queue)
        robot, job = robot_of(execution), job_of(execution)

        listed = [[one["name"] for one in client.call("GET", "/queues").json()] for client in (robot, job)]
        refused = [client.call("GET", "/queue-items?queue_name=Invoices").status_code for client in (robot, job)]

        assert listed == [["Invoices"], ["Invoices"]]
        assert refused == [403, 403]

    def test_an_item_is_read_by_its_id_and_by_what_it_was_got_under(self, execution, queue):
        client, job = developer(queue), job_of(execution)
        item = make.item(queue)
        got = job.next()

        assert client.call("GET", f"/queue-items/{item.pk}").json()["status"] == "IN_PROGRESS"
        assert job.call("GET", f"/queue-items/{got['id']}").json()["id"] == str(item.pk)
        assert client.call("GET", f"/queue-items/{uuid.uuid4()}").status_code == 404

    def test_an_item_is_deleted_and_requeued(self, queue):
        client, item = developer(queue), make.item(queue)
        report = Report("failed", error_type="business", error_reason="No number.")
        queues.finish_item(make.taken(queue), actor=make.SYSTEM, report=report)

        again = client.call("POST", f"/queue-items/{item.pk}/requeue")
        twice = client.call("POST", f"/queue-items/{item.pk}/requeue")
        old = client.call("GET", f"/queue-items/{item.pk}").json()
        gone = client.call("DELETE", f"/queue-items/{again.json()['id']}")

        assert (again.json()["status"], again.json()["retries"]) == ("NEW", 0)
        assert (old["status"], old["successor"]) == ("FAILED", again.json()["id"])
        assert (twice.status_code, gone.status_code) == (409, 204)


class TestPutting:
    """How work ended, said of the item itself."""

    @pytest.mark.parametrize("root", ROOTS)
    @pytest.mark.parametrize("who", WORKERS)
    def test_who_holds_an_item_says_how_it_ended_by_either_of_its_ids(self, execution, queue, who, root):
        make.items(queue, 1, 2)
        client = WORKERS[who](execution, root)
        first, second = client.next(), client.next()

        by_item = client.call("PUT", f"/queue-items/{first['item_id']}", {"status": "DONE", "result": {"paid": True}})
        by_lease = client.call("PUT", f"/queue-items/{second['id']}", {"status": "DONE", "result": [1]})

        assert [(answer.status_code, answer.json()["status"]) for answer in (by_item, by_lease)] == [(200, "DONE")] * 2
        assert [by_item.json()["output"], by_lease.json()["output"]] == [{"paid": True}, [1]]
        assert by_lease.json()["id"] == second["item_id"]

    def test_a_failure_that_is_tried_again_answers_with_the_next_try(self, queue):
        client = developer(queue)
        make.item(queue)
        got = client.next()

        failed = client.call("PUT", f"/queue-items/{got['item_id']}", {"status": "FAILED", "error_message": "x"}).json()

        assert (failed["status"], failed["retries"]) == ("NEW", 1)
        assert QueueItem.objects.get(pk=failed["id"]).retry_of_id == uuid.UUID(got["item_id"])

    def test_the_same_again_gets_the_same_answer_and_another_end_is_kept_aside(self, queue):
        client = developer(queue)
        make.item(queue)
        got = client.next()
        done = {"status": "DONE", "result": 1}

        first, again, other = (
            client.call("PUT", f"/queue-items/{got['item_id']}", body) for body in (done, done, {"status": "DONE"})
        )

        assert first.json() == again.json()
        assert (other.status_code, other.json()["code"]) == (409, "conflict")

    def test_who_does_not_hold_it_is_told_so_and_changes_nothing(self, execution, queue):
        waiting, held = make.items(queue, 1, 2)
        QueueItem.objects.filter(pk=held.pk).update(priority=9)
        make.taken(queue)
        client = developer(queue)

        answers = [client.call("PUT", f"/queue-items/{one.pk}", {"status": "DONE"}) for one in (waiting, held)]

        assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "not_held")] * 2
        assert set(queue.items.values_list("status", flat=True)) == {"new", "in_progress"}

    def test_what_is_not_shown_is_not_there(self, execution, queue):
        waiting = make.item(queue)
        foreign = make.taken(make.item(make.queue(make.folder(make.tenant()))).queue)
        client = developer(queue)

        answers = [client.call("PUT", f"/queue-items/{one}", {"status": "DONE"}).status_code
                   for one in (uuid.uuid4(), foreign.lease_id, foreign.item_id)]  # fmt: skip
        of_job = job_of(execution).call("PUT", f"/queue-items/{waiting.pk}", {"status": "DONE"})

        assert answers == [404, 404, 404]
        assert of_job.status_code == 404

    @pytest.mark.parametrize("body", [{"status": "NEW"}, {"status": "DELETED"}, {"result": 1}])
    def test_what_is_no_end_is_refused_by_name(self, queue, body):
        make.item(queue)
        client = developer(queue)

        assert api.fields_refused(client.call("PUT", f"/queue-items/{client.next()['item_id']}", body)) == {"status"}

    @pytest.mark.parametrize("body", [b"[1]", b'{"status": "DONE", "status": "DONE"}', b'{"status": "a\\u0000"}', b"{"])
    @pytest.mark.parametrize("root", ROOTS)
    def test_what_is_not_clean_is_refused(self, queue, root, body):
        make.item(queue)
        client = developer(queue, root=root)
        address = f"{root}/queue-items/{client.next()['item_id']}"

        refused = client.client.generic("PUT", address, body, "application/json")

        assert (refused.status_code, refused.headers["Content-Type"]) == (400, "application/problem+json")


class TestQueues:
    @pytest.mark.parametrize(("told", "attempts", "shown"), [(0, 1, 0), (1, 1, 0), (3, 3, 3)])
    def test_max_retries_counts_all_tries(self, queue, told, attempts, shown):
        made = developer(queue).call("POST", "/queues", {"name": "New", "max_retries": told})

        assert (made.status_code, made.json()["max_retries"]) == (201, shown)
        assert Queue.objects.get(pk=made.json()["id"]).max_attempts == attempts

    def test_are_made_read_changed_and_deleted(self, queue):
        client = developer(queue)
        made = client.call("POST", "/queues", {"name": "New", "enforce_unique_reference": True}).json()
        path = f"/queues/{made['external_id']}"

        changed = client.call("PUT", path, {"description": "Bills", "max_retries": 5}).json()
        read = client.call("GET", path).json()
        gone = client.call("DELETE", path)

        assert (made["id"], made["enforce_unique_reference"]) == (made["external_id"], True)
        assert changed == read == {**made, "description": "Bills", "max_retries": 5}
        assert (gone.status_code, client.call("GET", path).status_code) == (204, 404)

    @pytest.mark.parametrize("body", [{"max_retries": 1}, {"name": "x", "max_retries": 101}, {"name": 5}])
    def test_what_is_wrong_is_refused(self, queue, body):
        assert developer(queue).call("POST", "/queues", body).status_code == 400

    def test_statistics(self, queue):
        make.items(queue, 1, 2, 3, 4)
        make.taken(queue)
        reports = [Report("done"), Report("failed", error_type="business", error_reason="No number.")]
        for report, lease in zip(reports, [make.taken(queue) for _ in reports], strict=True):
            queues.finish_item(lease, actor=make.SYSTEM, report=report)

        told = developer(queue).call("GET", f"/queues/{queue.pk}/stats").json()

        average = told.pop("avgProcessingTime")
        assert average >= 0
        assert told == {
            "inProgress": 1, "remaining": 1, "successful": 1, "appExceptions": 0, "bizExceptions": 1, "abandoned": 0,
        }  # fmt: skip

    def test_robots_change_nothing_of_them(self, execution, queue):
        robot = robot_of(execution)

        changed = robot.call("PUT", f"/queues/{queue.pk}", {"max_retries": 9})
        deleted = robot.call("DELETE", f"/queues/{queue.pk}")

        assert (changed.status_code, deleted.status_code) == (403, 403)

    def test_the_rest_of_the_canonical_surface_answers_beside(self, queue):
        client = developer(queue)

        taken = client.call("POST", f"/queues/{queue.pk}/take")
        added = client.call("POST", "/queue-items/bulk", {"queue": str(queue.pk), "items": [{}]})

        assert (taken.json(), added.status_code) == ({"items": []}, 201)


@pytest.mark.parametrize("root", ROOTS)
def test_what_existing_clients_never_ask_is_answered_by_the_canonical_api(root):
    queue = make.queue()
    key = make.api_key(make.user(*EVERYTHING, inside=queue.tenant), queue.tenant)
    client = Client(headers={"X-Api-Key": key})

    changed = client.patch(f"{root}/queues/{queue.pk}", {"description": "new"}, "application/json")
    refused = client.post(f"{root}/queue-items/{make.item(queue).pk}", {}, "application/json")

    assert (changed.status_code, changed.json()["description"]) == (200, "new")
    assert refused.status_code == 405
