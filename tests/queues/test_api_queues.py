"""Queues over the API."""

from __future__ import annotations

import uuid
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.core import ids
from apps.queues import services
from apps.queues.models import ItemLease, Queue, QueueItem, statistics
from apps.queues.services import Report
from tests import api, make
from tests.make import SYSTEM

pytestmark = pytest.mark.django_db

SCHEMA = {"type": "object", "required": ["number"], "properties": {"number": {"type": "integer"}}}
EVERYTHING = (
    "queues.view_queue", "queues.view_queueitem", "queues.take_queueitem", "queues.add_queueitem",
    "queues.requeue_queueitem", "queues.review_queueitem", "queues.delete_queueitem",
)  # fmt: skip


@pytest.fixture
def queue():
    """A queue with three tries at each item."""
    return make.queue(max_attempts=3)


def worker(queue, *permissions, key=True):
    """Somebody whose programs work on the items of a queue's tenant."""
    person = make.user(*(permissions or EVERYTHING), inside=queue.tenant)
    return api.Caller(person, key_in=queue.tenant if key else None)


class TestQueues:
    def test_are_made_read_changed_and_deleted(self):
        folder, root = make.folder(), api.root()
        asked = {"name": "Invoices", "folder": str(folder.pk), "max_attempts": 3, "unique_references": "always"}

        made = root.post("queues", asked)
        path = f"queues/{made.json()['id']}"
        changed = root.patch(path, {"lease_seconds": 60, "sla": 3600})
        gone = root.delete(path)

        assert made.status_code == 201
        assert made.headers["Location"] == f"/api/v1/{path}"
        assert made.json()["folder"] == {"id": str(folder.pk), "name": folder.name}
        assert (changed.json()["lease_seconds"], changed.json()["sla"], changed.json()["max_attempts"]) == (60, 3600, 3)
        assert (gone.status_code, root.get(path).status_code) == (204, 404)
        assert AuditEntry.objects.filter(target_id=made.json()["id"]).count() == 3

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", ""),
            ("max_attempts", 0),
            ("lease_seconds", 5),
            ("unique_references", "sometimes"),
            ("default_priority", 2000),
            ("backoff_base", -1),
            ("most_crashes", 101),
            ("schema", {"type": "objekt"}),
            ("schema", {"$ref": "http://127.0.0.1:9/schema.json"}),
            ("schema", {"$ref": "file:///etc/hostname"}),
            ("schema", {"pattern": "(a"}),
            ("schema", 5),
        ],
    )
    def test_what_is_wrong_is_named(self, field, value):
        folder = make.folder()

        refused = api.root().post("queues", {"name": "New", "folder": str(folder.pk), field: value})

        assert api.fields_refused(refused) == {field}
        assert not Queue.objects.filter(folder=folder).exists()

    def test_payloads_are_not_encrypted_before_there_are_keys(self, queue):
        refused = api.root().patch(f"queues/{queue.pk}", {"encrypted": True})

        assert api.fields_refused(refused) == {"encrypted"}
        assert "no keys" in refused.json()["detail"]
        assert api.root().patch(f"queues/{queue.pk}", {"encrypted": False}).json()["encrypted"] is False

    def test_a_window_needs_its_length(self):
        body = {"name": "New", "folder": str(make.folder().pk), "unique_references": "window"}

        assert api.fields_refused(api.root().post("queues", body)) == {"unique_window"}

    def test_a_name_is_taken_once_in_a_folder(self, queue):
        refused = api.root().post("queues", {"name": queue.name.upper(), "folder": str(queue.folder_id)})

        assert (refused.status_code, refused.json()["code"]) == (409, "name_taken")

    def test_one_with_unfinished_items_stays(self, queue):
        make.item(queue)

        refused = api.root().delete(f"queues/{queue.pk}")

        assert (refused.status_code, refused.json()["code"]) == (409, "has_items")

    def test_are_listed_by_name_folder_and_whether_they_are_paused(self, queue):
        root, other = api.root(), make.queue(queue.folder, name="Quiet ones")
        services.pause_queue(other, actor=SYSTEM)
        of = {"folder": queue.folder_id}

        assert api.ids(root.get("queues", {"name": "quiet", **of})) == [str(other.pk)]
        assert api.ids(root.get("queues", {"paused": "false", **of})) == [str(queue.pk)]
        assert api.ids(root.get("queues", {"tenant": queue.tenant_id, "ordering": "id"})) == [
            str(queue.pk), str(other.pk),
        ]  # fmt: skip

    def test_every_schema_is_kept_as_a_version(self, queue):
        root = api.root()
        root.patch(f"queues/{queue.pk}", {"schema": SCHEMA})
        root.patch(f"queues/{queue.pk}", {"schema": SCHEMA})
        root.patch(f"queues/{queue.pk}", {"schema": {**SCHEMA, "required": []}})
        loosened = root.patch(f"queues/{queue.pk}", {"schema": None}).json()

        versions = root.get(f"queues/{queue.pk}/schemas").json()["items"]

        assert [(one["number"], one["document"]["required"]) for one in versions] == [(2, []), (1, ["number"])]
        assert loosened["schema"] is None

    def test_a_paused_one_hands_out_nothing_and_says_why(self, queue):
        make.item(queue)
        caller = api.root()

        paused = caller.post(f"queues/{queue.pk}/pause", {"reason": "the bank is closed"}).json()
        refused = caller.post(f"queues/{queue.pk}/take")
        resumed = caller.post(f"queues/{queue.pk}/resume").json()

        assert (paused["paused"], paused["paused_reason"]) == (True, "the bank is closed")
        assert (refused.status_code, refused.json()["code"]) == (409, "queue_paused")
        assert refused.json()["reason"] == "the bank is closed"
        assert (resumed["paused"], resumed["paused_reason"]) == (False, "")
        assert len(caller.post(f"queues/{queue.pk}/take").json()["items"]) == 1


class TestTaking:
    def test_gives_the_best_under_leases_of_the_caller(self, queue):
        make.items(queue, {"n": 1}, {"n": 2})
        make.item(queue, payload={"n": 3}, priority=9)
        caller = worker(queue)

        taken = caller.post(f"queues/{queue.pk}/take", {"count": 2}).json()["items"]

        assert [one["item"]["payload"] for one in taken] == [{"n": 3}, {"n": 1}]
        assert {one["item"]["status"] for one in taken} == {"in_progress"}
        leases = ItemLease.objects.filter(lease_id__in=[one["id"] for one in taken])
        assert {(one.holder_kind, one.holder_id) for one in leases} == {("person", caller.person.pk)}

    def test_gives_nothing_where_nothing_waits(self, queue):
        assert worker(queue).post(f"queues/{queue.pk}/take").json() == {"items": []}

    def test_a_number_out_of_bounds_is_refused(self, queue):
        assert api.fields_refused(worker(queue).post(f"queues/{queue.pk}/take", {"count": 101})) == {"count"}

    def test_takes_as_many_queries_for_many_as_for_one(self, queue, django_assert_max_num_queries):
        make.items(queue, *range(50))
        caller = worker(queue)
        caller.post(f"queues/{queue.pk}/take")

        with django_assert_max_num_queries(16):
            assert len(caller.post(f"queues/{queue.pk}/take", {"count": 40}).json()["items"]) == 40

    def test_needs_the_permission(self, queue):
        refused = worker(queue, "queues.view_queue").post(f"queues/{queue.pk}/take")

        assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")

    def test_a_service_account_holds_what_it_takes(self, queue):
        make.item(queue)
        account = make.service_account(queue.tenant, *EVERYTHING)
        caller = api.Caller(account, key_in=queue.tenant)

        [taken] = caller.post(f"queues/{queue.pk}/take").json()["items"]
        ended = caller.post(f"item-leases/{taken['id']}/finish", {"status": "done", "result": {"paid": True}})

        assert ItemLease.objects.get(lease_id=taken["id"]).holder_kind == "service"
        assert ended.json() == {
            "answer": "accepted", "item": taken["item"]["id"], "status": "done", "successor": None,
        }  # fmt: skip


class TestLeases:
    @pytest.fixture
    def caller(self, queue):
        return worker(queue)

    @pytest.fixture
    def taken(self, queue, caller):
        """What the caller has taken."""
        make.item(queue, reference="INV-1")
        return caller.post(f"queues/{queue.pk}/take").json()["items"][0]

    def test_are_renewed_with_how_far_the_work_is(self, queue, caller, taken):
        ItemLease.objects.filter(lease_id=taken["id"]).update(expires_at=Now() + timedelta(seconds=1))

        renewed = caller.post(f"item-leases/{taken['id']}/renew", {"progress": {"page": 3}})

        assert renewed.status_code == 200
        assert renewed.json()["expires_at"] > taken["granted_at"]
        assert QueueItem.objects.get(queue=queue).progress == {"page": 3}

    def test_a_failure_leads_to_another_try_and_the_same_again_to_the_same_answer(self, caller, taken):
        report = {"status": "failed", "error_type": "application", "error_reason": "The page did not open."}

        first = caller.post(f"item-leases/{taken['id']}/finish", report).json()
        again = caller.post(f"item-leases/{taken['id']}/finish", report).json()

        successor = QueueItem.objects.get(pk=first["successor"])
        assert (first["answer"], first["status"]) == ("accepted", "failed")
        assert (successor.attempt, successor.reference) == (2, "INV-1")
        assert again == {**first, "answer": "repeated"}

    def test_another_end_is_refused_and_kept_aside(self, caller, taken):
        caller.post(f"item-leases/{taken['id']}/finish", {"status": "done"})

        refused = caller.post(f"item-leases/{taken['id']}/finish", {"status": "abandoned", "error_reason": "no"})

        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        assert ItemLease.objects.get(lease_id=taken["id"]).late_report["outcome"] == "abandoned"

    def test_what_comes_too_late_is_refused_and_kept_aside(self, queue, caller, taken):
        lease = ItemLease.objects.get(lease_id=taken["id"])
        ItemLease.objects.filter(pk=lease.pk).update(expires_at=Now() - timedelta(seconds=1))
        services.sweep_lease(lease, actor=SYSTEM)
        caller.post(f"queues/{queue.pk}/take")

        late = caller.post(f"item-leases/{taken['id']}/finish", {"status": "done"})
        renewed = caller.post(f"item-leases/{taken['id']}/renew")

        assert (late.status_code, late.json()["code"]) == (409, "late")
        assert (renewed.status_code, renewed.json()["code"]) == (409, "lease_over")

    def test_what_is_released_waits_again(self, caller, taken):
        released = caller.post(f"item-leases/{taken['id']}/release").json()

        assert (released["status"], released["successor"]) == ("new", None)

    @pytest.mark.parametrize(
        ("report", "field"),
        [
            ({"status": "released"}, "status"),
            ({"status": "failed", "error_reason": "x"}, "error_type"),
            ({"status": "failed", "error_type": "business"}, "error_reason"),
            ({"status": "abandoned"}, "error_reason"),
            ({"status": "done", "error_type": "business"}, "error_type"),
            ({"status": "done", "error_code": "x" * 101}, "error_code"),
            ({"status": "done", "output": 1}, "output"),
        ],
    )
    def test_a_report_that_does_not_say_what_it_must_is_refused(self, caller, taken, report, field):
        assert api.fields_refused(caller.post(f"item-leases/{taken['id']}/finish", report)) == {field}

    def test_several_are_ended_at_once_each_as_if_it_came_alone(self, queue, caller, django_assert_max_num_queries):
        make.items(queue, *range(12))
        taken = [one["id"] for one in caller.post(f"queues/{queue.pk}/take", {"count": 12}).json()["items"]]
        failure = {"status": "failed", "error_type": "application", "error_reason": "The page did not open."}
        caller.post(f"item-leases/{taken[0]}/finish", {"status": "done", "result": 1})
        reports = [
            {"lease": taken[0], "status": "done", "result": 2},
            {"lease": taken[1], **failure},
            *({"lease": lease, "status": "done", "result": {"of": lease}} for lease in taken[2:]),
        ]

        with django_assert_max_num_queries(40):
            first = caller.post("item-leases/finish", {"reports": reports}).json()["reports"]
        again = caller.post("item-leases/finish", {"reports": reports}).json()["reports"]

        assert [one["lease"] for one in first] == taken
        assert [one["answer"] for one in first] == ["conflict", *["accepted"] * 11]
        assert [one["answer"] for one in again] == ["conflict", *["repeated"] * 11]
        assert "kept aside" in first[0]["detail"]
        assert (first[1]["status"], first[1]["successor"]) == ("failed", again[1]["successor"])
        assert {one.result["of"] for one in QueueItem.objects.filter(queue=queue, result__has_key="of")} == {*taken[2:]}

    def test_one_bad_report_of_several_leaves_all_as_they_were(self, queue, caller, taken):
        make.item(queue)
        other = caller.post(f"queues/{queue.pk}/take").json()["items"][0]["id"]
        fine = {"lease": taken["id"], "status": "done"}

        refused = [
            caller.post("item-leases/finish", {"reports": reports})
            for reports in (
                [fine, {"lease": other, "status": "failed", "error_type": "business"}],
                [fine, fine],
                [fine, {"lease": str(uuid.uuid4()), "status": "done"}],
            )
        ]

        assert api.fields_refused(refused[0]) == {"reports.1.error_reason"}
        assert [api.fields_refused(one) for one in refused[1:]] == [{"reports"}, {"reports.1.lease"}]
        assert {*QueueItem.objects.filter(queue=queue).values_list("status", flat=True)} == {"in_progress"}

    def test_are_their_holders_alone(self, queue, taken):
        colleague, root = worker(queue), api.root()

        refused = [one.post(f"item-leases/{taken['id']}/finish", {"status": "done"}) for one in (colleague, root)]

        assert [one.status_code for one in refused] == [404, 404]
        assert QueueItem.objects.get(queue=queue).status == "in_progress"

    def test_need_the_permission_still(self, queue, caller, taken):
        looking = worker(queue, "queues.view_queue")

        assert looking.post(f"item-leases/{taken['id']}/release").status_code == 403


class TestStatistics:
    def of(self, queue):
        return api.root().get(f"queues/{queue.pk}/statistics").json()

    def test_of_an_empty_queue(self, queue):
        told = self.of(queue)

        assert (told["waiting"]["shown"], told["oldest_waiting_at"], told["average_seconds"]) == ("0", None, None)
        assert (told["empty_in_seconds"], told["forecast"]) == (0, "Nothing waits.")

    def test_tell_what_waits_and_what_is_in_progress(self, queue):
        make.items(queue, 1, 2, 3)
        make.item(queue, available_at=timezone.now() + timedelta(hours=1))
        make.taken(queue)

        told = self.of(queue)

        assert [told[name]["count"] for name in ("waiting", "postponed", "in_progress")] == [2, 1, 1]
        assert told["oldest_waiting_seconds"] >= 0
        assert told["forecast"].endswith("at this pace it does not become empty.")

    def test_tell_how_items_ended_and_count_a_piece_of_work_once(self, queue):
        reports = [
            Report("done"),
            Report("failed", error_type="business", error_code="E7", error_reason="No number."),
            Report("failed", error_type="application", error_reason="The page did not open."),
            Report("abandoned", error_reason="Not ours."),
        ]
        make.items(queue, 1, 2, 3, 4)
        for report, lease in zip(reports, [make.taken(queue) for _ in reports], strict=True):
            services.finish_item(lease, actor=SYSTEM, report=report)

        told = self.of(queue)

        assert [told[name] for name in ("done", "failed", "abandoned", "retried")] == [1, 1, 1, 1]
        assert {"status": "failed", "error_type": "business", "error_code": "E7", "count": 1} in told["ends"]
        assert 0 <= told["average_seconds"] <= told["p95_seconds"]
        assert not told["is_sampled"]

    @pytest.mark.parametrize(
        "report",
        [Report("failed", error_type="business", error_reason="No number."), Report("abandoned", error_reason="No.")],
        ids=["failed", "abandoned"],
    )
    def test_count_what_was_requeued_by_its_last_try_alone(self, queue, report):
        make.items(queue, 1)
        services.requeue_item(services.finish_item(make.taken(queue), actor=SYSTEM, report=report).item, actor=SYSTEM)
        services.finish_item(make.taken(queue), actor=SYSTEM, report=Report("done"))

        told = self.of(queue)

        assert [told[name] for name in ("done", "failed", "abandoned", "retried")] == [1, 0, 0, 1]

    def test_foresee_when_it_will_be_empty(self, queue):
        added = make.items(queue, *range(4))
        services.finish_item(make.taken(queue), actor=SYSTEM, report=Report("done"))
        growing = self.of(queue)
        added_long_ago(added)
        shrinking = self.of(queue)
        services.pause_queue(queue, actor=SYSTEM)
        paused = self.of(queue)

        assert (growing["added_per_hour"], growing["empty_in_seconds"]) == (4, None)
        assert (shrinking["added_per_hour"], shrinking["finished_per_hour"]) == (0, 1)
        assert shrinking["empty_in_seconds"] == 3 * 3600
        assert shrinking["forecast"].endswith("at this pace it is empty in about 3 h.")
        assert (paused["empty_in_seconds"], paused["forecast"].split(":")[0]) == (None, "It is paused")

    def test_count_no_further_than_is_of_use(self, queue, monkeypatch):
        monkeypatch.setattr(statistics, "MOST_COUNTED", 3)
        monkeypatch.setattr(statistics, "MOST_ENDED", 2)
        make.items(queue, *range(7))
        for lease in [make.taken(queue) for _ in range(3)]:
            services.finish_item(lease, actor=SYSTEM, report=Report("done"))

        told = self.of(queue)

        assert told["waiting"] == {"count": 3, "is_capped": True, "shown": "3+"}
        assert told["is_sampled"]
        assert told["forecast"].startswith("In the last hour")

    def test_walk_along_indexes(self, queue):
        statements_of = {"now": statistics._NOW, "ended": statistics._ENDED, "added": statistics._ADDED}
        facts = {"queue": queue.pk, "most": 10, "since": ids.first_id_at(timezone.now())}

        plans = {name: plan_of(statement, facts) for name, statement in statements_of.items()}

        assert {name for name, plan in plans.items() if "Seq Scan" in plan} == set()
        assert "queueitem_postponed" in plans["now"]
        assert "queueitem_finished" in plans["ended"]


def added_long_ago(items):
    """Give items other ids, as if they had been added a day ago."""
    for number, item in enumerate(items):
        earlier = UUID(int=item.pk.int - (86_400_000 << 80) + number)
        ItemLease.objects.filter(item=item).delete()
        QueueItem.objects.filter(pk=item.pk).update(id=earlier)


def plan_of(statement, facts):
    """How the database would go about a statement if walking through a whole table were dear."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {statement}", facts)
        return "\n".join(line for (line,) in cursor.fetchall())
