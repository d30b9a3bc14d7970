"""Items over the API."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.events.models import Event
from apps.queues import services
from apps.queues.models import ItemLease, QueueItem
from apps.queues.services import Report
from tests import api, make
from tests.make import SYSTEM

pytestmark = pytest.mark.django_db

FAILED = Report("failed", error_type="application", error_code="E1", error_reason="The page did not open.")


@pytest.fixture
def queue():
    """A queue that takes numbered invoices once each."""
    schema = {"type": "object", "required": ["number"], "properties": {"number": {"type": "integer"}}}
    return make.queue(max_attempts=3, unique_references="always", schema=schema)


def item(queue, **wanted):
    return make.item(queue, **{"payload": {"number": 1}} | wanted)


def ended(queue, report=FAILED, **wanted):
    """An item of which a holder reported."""
    one = item(queue, **wanted)
    services.finish_item(make.taken(queue), actor=SYSTEM, report=report)
    one.refresh_from_db()
    return one


class TestAdding:
    def test_one_with_everything_that_can_be_said_of_it(self, queue):
        later = (timezone.now() + timedelta(hours=1)).replace(microsecond=0)
        asked = {
            "queue": str(queue.pk), "payload": {"number": 7}, "reference": "INV-7", "priority": 5,
            "available_at": later.isoformat(), "deadline": (later + timedelta(days=1)).isoformat(), "tags": ["eu"],
        }  # fmt: skip

        made = api.root().post("queue-items", asked)

        assert made.status_code == 201
        told = made.json()
        assert made.headers["Location"] == f"/api/v1/queue-items/{told['id']}"
        assert {name: told[name] for name in ("payload", "reference", "priority", "tags")} == {
            "payload": {"number": 7}, "reference": "INV-7", "priority": 5, "tags": ["eu"],
        }  # fmt: skip
        assert (told["status"], told["attempt"]) == ("new", 1)
        assert (told["schema_number"], told["queue"]["name"], told["lineage"]) == (1, queue.name, told["id"])

    def test_many_in_the_order_in_which_they_were_asked_for(self, queue):
        asked = [{"payload": {"number": number}} for number in range(3)]

        made = api.root().post("queue-items/bulk", {"queue": str(queue.pk), "items": asked}).json()

        numbers = {str(one.pk): one.payload["number"] for one in queue.items.all()}
        assert made["count"] == 3
        assert [numbers[one] for one in made["items"]] == [0, 1, 2]
        assert Event.objects.filter(subject_id=queue.pk, type="items.added").count() == 1

    def test_many_or_none_and_what_is_wrong_is_named_with_its_row(self, queue):
        asked = [{"payload": {"number": 1}}, {"payload": {"number": "x"}}, {"payload": {}}]

        refused = api.root().post("queue-items/bulk", {"queue": str(queue.pk), "items": asked})

        assert api.fields_refused(refused) == {"items[1].payload.number", "items[2].payload"}
        assert not queue.items.exists()

    @pytest.mark.parametrize("count", [0, 1001])
    def test_a_number_of_items_out_of_bounds_is_refused(self, queue, count):
        refused = api.root().post("queue-items/bulk", {"queue": str(queue.pk), "items": [{}] * count})

        assert api.fields_refused(refused) == {"items"}

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("priority", 1001),
            ("reference", "x" * 201),
            ("tags", ["x"] * 21),
            ("available_at", "soon"),
            ("deadline", "1960-01-01T00:00:00Z"),
            ("retries", 1),
            ("queue", "0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22"),
        ],
    )
    def test_what_is_wrong_is_named(self, queue, field, value):
        body = {"queue": str(queue.pk), "payload": {"number": 1}, field: value}

        assert api.fields_refused(api.root().post("queue-items", body)) == {field}

    def test_a_reference_that_is_taken_is_refused_with_the_item_that_has_it(self, queue):
        first = item(queue, reference="INV-1")

        refused = api.root().post("queue-items", {"queue": queue.pk, "reference": "INV-1", "payload": {"number": 2}})

        assert (refused.status_code, refused.json()["code"]) == (409, "duplicate_reference")
        assert refused.json()["references"] == {"INV-1": str(first.pk)}

    def test_the_same_key_adds_once(self, queue):
        root = api.root()
        body = {"queue": str(queue.pk), "payload": {"number": 1}}

        first, again = (root.post("queue-items", body, **{"Idempotency-Key": "k"}) for _ in range(2))

        assert first.json() == again.json()
        assert queue.items.count() == 1

    def test_needs_the_permission(self, queue):
        person = make.user("queues.view_queue", inside=queue.tenant)

        refused = api.Caller(person).post("queue-items", {"queue": queue.pk, "payload": {"number": 1}})

        assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")


class TestReading:
    def test_shows_all_tries_and_who_held_it(self, queue):
        first = ended(queue, reference="INV-1")
        second = first.retries.get()
        QueueItem.objects.filter(pk=second.pk).update(available_at=Now())
        make.taken(queue)

        told = api.root().get(f"queue-items/{first.pk}").json()

        assert [(one["id"], one["attempt"], one["status"]) for one in told["tries"]] == [
            (str(first.pk), 1, "failed"), (str(second.pk), 2, "in_progress"),
        ]  # fmt: skip
        assert [one["outcome"] for one in told["leases"]] == ["failed"]
        assert "lease_id" not in told["leases"][0]
        assert (told["error_type"], told["error_code"]) == ("application", "E1")

    def test_lists_narrow_by_what_indexes_know(self, queue):
        root, other = api.root(), make.queue(queue.folder)
        failed = ended(queue, reference="INV-1")
        retry = failed.retries.get()
        tagged = item(queue, tags=["eu", "vip"])
        elsewhere = make.item(other, reference="INV-1")
        of = {"queue": queue.pk}

        def found(**query):
            return set(api.ids(root.get("queue-items", query)))

        assert found(**of) == {str(failed.pk), str(retry.pk), str(tagged.pk)}
        assert found(**of, status="failed") == {str(failed.pk)}
        assert found(**of, status=["failed", "new"]) == {str(failed.pk), str(retry.pk), str(tagged.pk)}
        assert found(**of, reference="INV-1") == {str(failed.pk), str(retry.pk)}
        assert found(lineage=failed.pk) == {str(failed.pk), str(retry.pk)}
        assert found(retry_of=failed.pk) == {str(retry.pk)}
        assert found(**of, tag="vip") == {str(tagged.pk)}
        assert found(folder=queue.folder_id, status="new") == {str(retry.pk), str(tagged.pk), str(elsewhere.pk)}
        assert found(tenant=queue.tenant_id, created_before="2020-01-01T00:00:00Z") == set()

    def test_lists_of_a_queue_narrow_by_failure_review_and_end(self, queue):
        root, of = api.root(), {"queue": queue.pk}
        failed = ended(queue)
        business = ended(queue, Report("failed", error_type="business", error_code="E2", error_reason="x"))
        root.post(f"queue-items/{business.pk}/review", {"status": "open"})
        middle = timezone.now()
        done = ended(queue, Report("done"))
        retry = failed.retries.get()

        def found(**query):
            return {str(one) for one in api.ids(root.get("queue-items", of | query))}

        assert found(error_type="application") == {str(failed.pk)}
        assert found(error_type=["application", "business"]) == {str(failed.pk), str(business.pk)}
        assert found(error_code="E2") == {str(business.pk)}
        assert found(error_code="E") == set()
        assert found(review_status="open") == {str(business.pk)}
        assert found(review_status="none") == {str(one.pk) for one in (failed, retry, done)}
        assert found(finished_after=middle.isoformat()) == {str(done.pk)}
        assert found(finished_before=middle.isoformat(), status="failed") == {str(failed.pk), str(business.pk)}

    def test_what_is_unfinished_past_the_promise_of_its_queue_is_found_and_counted(self):
        queue = make.queue(sla=60)
        late, held, over, _ = make.items(queue, 1, 2, 3, 4)
        QueueItem.objects.filter(pk__in=[late.pk, held.pk, over.pk]).update(late_at=Now() - timedelta(seconds=1))
        QueueItem.objects.filter(pk=held.pk).update(status="in_progress")
        QueueItem.objects.filter(pk=over.pk).update(status="done", finished_at=Now())
        root = api.root()

        told = {one: api.ids(root.get("queue-items", {"queue": queue.pk, "late": one})) for one in ("true", "false")}

        assert {*told["true"]} == {str(late.pk), str(held.pk)}
        assert len(told["false"]) == 2
        assert root.get(f"queues/{queue.pk}/statistics").json()["late"]["count"] == 2

    @pytest.mark.parametrize(
        "query",
        [{"error_type": "business"}, {"error_code": "E1"}, {"review_status": "open"}, {"late": "true"},
         {"finished_after": "2020-01-01T00:00:00Z", "tenant": "0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22"}],
    )  # fmt: skip
    def test_what_only_the_indexes_of_a_queue_serve_asks_for_the_queue(self, query):
        assert api.fields_refused(api.root().get("queue-items", query)) == {"queue"}

    @pytest.mark.parametrize(
        ("query", "field"),
        [({"error_type": "cosmic"}, "error_type"), ({"review_status": "x"}, "review_status"),
         ({"error_code": "x" * 101}, "error_code"), ({"finished_after": "soon"}, "finished_after")],
    )  # fmt: skip
    def test_what_cannot_be_asked_is_refused_by_name(self, queue, query, field):
        assert api.fields_refused(api.root().get("queue-items", {"queue": queue.pk} | query)) == {field}

    def test_following_next_gives_every_item_once(self, queue):
        made = [str(one.pk) for one in make.items(queue, *({"number": n} for n in range(5)))]
        root = api.root()

        first = root.get("queue-items", {"queue": queue.pk, "page_size": 3}).json()
        second = root.client.get(first["next"]).json()

        assert [one["id"] for one in first["items"] + second["items"]] == made[::-1]
        assert second["next"] is None

    def test_lists_leave_out_what_can_be_long_and_take_no_query_per_row(self, queue, django_assert_num_queries):
        root = api.root()
        make.items(queue, {"number": 1})
        root.get("queue-items")
        with CaptureQueriesContext(connection) as one:
            root.get("queue-items", {"queue": queue.pk})
        make.items(queue, *({"number": n} for n in range(9)))

        with django_assert_num_queries(len(one)):
            listed = root.get("queue-items", {"queue": queue.pk}).json()["items"]

        assert len(listed) == 10
        assert not {"payload", "result", "error_reason"} & set(listed[0])

    def test_is_for_who_may_look_into_the_folder(self, queue):
        one = item(queue)
        looks = api.Caller(make.user("queues.view_queueitem", inside=queue.folder))
        stranger = api.Caller(make.user("queues.view_queueitem", inside=make.tenant()))

        assert looks.get(f"queue-items/{one.pk}").status_code == 200
        assert api.ids(looks.get("queue-items")) == [str(one.pk)]
        assert stranger.get(f"queue-items/{one.pk}").status_code == 404
        assert api.ids(stranger.get("queue-items")) == []


class TestOperations:
    def test_a_failed_item_is_requeued_as_a_new_one(self, queue):
        old = ended(queue, Report("failed", error_type="business", error_reason="No number."), reference="INV-1")
        root = api.root()

        made = root.post(f"queue-items/{old.pk}/requeue")
        again = root.post(f"queue-items/{old.pk}/requeue")

        assert made.status_code == 201
        assert (made.json()["retry_of"], made.json()["attempt"], made.json()["reference"]) == (str(old.pk), 1, "INV-1")
        assert (again.status_code, again.json()["code"]) == (409, "has_successor")
        assert again.json()["item"] == made.json()["id"]
        assert (made.json()["successor"], root.get(f"queue-items/{old.pk}").json()["status"]) == (None, "failed")
        assert root.get(f"queue-items/{old.pk}").json()["successor"] == made.json()["id"]

    def test_what_is_not_over_is_not_requeued(self, queue):
        refused = api.root().post(f"queue-items/{item(queue).pk}/requeue")

        assert (refused.status_code, refused.json()["code"]) == (409, "item_not_over")

    def test_a_waiting_item_is_postponed_and_moved_in_line(self, queue):
        one, root = item(queue), api.root()

        postponed = root.post(f"queue-items/{one.pk}/postpone", {"until": "2026-12-24T08:00:00Z"})
        moved = root.post(f"queue-items/{one.pk}/prioritise", {"priority": 9})

        assert postponed.json()["available_at"] == "2026-12-24T08:00:00Z"
        assert moved.json()["priority"] == 9
        actions = set(AuditEntry.objects.filter(target_id=one.pk).values_list("action", flat=True))
        assert actions == {"item.postponed", "item.prioritised"}

    @pytest.mark.parametrize(
        ("verb", "body"), [("postpone", {"until": "2020-01-01T00:00:00Z"}), ("prioritise", {"priority": 1})]
    )
    def test_what_somebody_works_on_waits_no_more(self, queue, verb, body):
        one = item(queue)
        make.taken(queue)

        refused = api.root().post(f"queue-items/{one.pk}/{verb}", body)

        assert (refused.status_code, refused.json()["code"]) == (409, "item_begun")

    def test_what_lies_too_far_ahead_is_refused(self, queue):
        refused = api.root().post(f"queue-items/{item(queue).pk}/postpone", {"until": "2150-01-01T00:00:00Z"})

        assert api.fields_refused(refused) == {"until"}

    def test_what_is_over_is_reviewed(self, queue):
        one, caller = ended(queue), api.root()

        told = caller.post(f"queue-items/{one.pk}/review", {"status": "verified", "comment": "known"}).json()

        assert (told["review_status"], told["review_comment"]) == ("verified", "known")
        assert told["reviewer"] == caller.person.username

    def test_what_is_not_over_is_not_reviewed(self, queue):
        refused = api.root().post(f"queue-items/{item(queue).pk}/review", {"status": "open"})

        assert (refused.status_code, refused.json()["code"]) == (409, "item_not_over")

    def test_an_item_is_deleted_unless_somebody_works_on_it(self, queue):
        held, root = item(queue), api.root()
        make.taken(queue)
        waiting = item(queue)

        refused, gone = (root.delete(f"queue-items/{one.pk}") for one in (held, waiting))

        assert (refused.status_code, refused.json()["code"]) == (409, "item_begun")
        assert (gone.status_code, root.get(f"queue-items/{waiting.pk}").status_code) == (204, 404)
        assert ItemLease.objects.filter(item=held, closed_at=None).exists()

    @pytest.mark.parametrize(
        ("verb", "body"),
        [
            ("requeue", None),
            ("postpone", {"until": "2020-01-01T00:00:00Z"}),
            ("prioritise", {"priority": 1}),
            ("review", {"status": "open"}),
        ],
    )
    def test_each_needs_its_permission(self, queue, verb, body):
        one = item(queue)
        looks = api.Caller(make.user("queues.view_queueitem", inside=queue.tenant))

        assert looks.post(f"queue-items/{one.pk}/{verb}", body).status_code == 403
