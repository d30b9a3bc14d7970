"""Pages of items: finding them, adding them, what happened to them, and what people think of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.core import ids
from apps.queues import services
from apps.queues.models import QueueItem, ReviewStatus
from tests import make
from tests.admin.visitors import Visitor, list_of, new, page_of, superuser, text_of, with_permissions

pytestmark = pytest.mark.django_db
SYSTEM = make.SYSTEM
INVOICE = {
    "type": "object",
    "required": ["customer"],
    "properties": {
        "customer": {"type": "string", "description": "Who pays."},
        "amount": {"type": "number", "minimum": 0},
        "due": {"type": ["string", "null"], "format": "date"},
        "lines": {"type": "array", "items": True},
        "urgent": {"type": "boolean"},
    },
}
BUSINESS = {"error_type": "business", "error_code": "E7", "error_reason": "no such customer"}


def failed(queue=None, **how):
    return services.finish_item(
        make.taken(queue, **how), actor=SYSTEM, report=services.Report("failed", **BUSINESS)
    ).item


def adding(queue, **how):
    more = "".join(f"&{name}={value}" for name, value in how.items())
    return f"{new(QueueItem)}?queue={queue.pk}{more}"


def listed(visitor, **query):
    response = visitor.get(list_of(QueueItem), **query)
    return {str(row.pk) for row in response.context["cl"].result_list}


class TestTheList:
    def test_shows_what_came_lately_and_older_ones_on_demand(self):
        old, fresh = make.item(), make.item()
        earlier = ids.first_id_at(timezone.now() - timedelta(days=8))
        QueueItem.objects.filter(pk=old.pk).update(id=earlier)
        visitor = superuser()

        assert listed(visitor) == {str(fresh.pk)}
        assert listed(visitor, since="all") == {str(fresh.pk), str(earlier)}

    def test_finds_by_the_whole_reference_whatever_its_age(self):
        item, other = make.item(reference="INV-1"), make.item(reference="INV-12")
        earlier = ids.first_id_at(timezone.now() - timedelta(days=40))
        QueueItem.objects.filter(pk=item.pk).update(id=earlier)
        visitor = superuser()

        assert listed(visitor, q="INV-1") == {str(earlier)}
        assert listed(visitor, reference="INV-1") == {str(earlier)}
        assert listed(visitor, reference="INV-12") == {str(other.pk)}

    def test_finds_all_tries_at_an_item_by_the_id_of_the_first(self):
        item = failed()
        again = services.requeue_item(item, actor=SYSTEM)

        assert listed(superuser(), q=str(item.pk)) == {str(item.pk), str(again.pk)}

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"status__exact": "failed"}, ["failed"]),
            ({"error_type__exact": "business"}, ["failed"]),
            ({"review_status__exact": "open"}, ["failed"]),
            ({"priority": "7"}, ["urgent"]),
            ({"priority": "-"}, []),
            ({"tag": "vip"}, ["urgent"]),
            ({"job": "nonsense"}, []),
        ],
    )
    def test_is_narrowed(self, query, found):
        broken = failed()
        services.review_item(broken, actor=SYSTEM, status=ReviewStatus.OPEN)
        items = {"failed": broken, "urgent": make.item(priority=7, tags=["vip"])}

        assert listed(superuser(), **query) == {str(items[name].pk) for name in found}

    def test_is_narrowed_to_a_queue(self):
        item, _ = make.item(), make.item()

        assert listed(superuser(), queue__id__exact=str(item.queue_id)) == {str(item.pk)}

    def test_is_narrowed_to_what_a_job_owns_or_has_worked_on(self):
        owned, worked_on, _ = make.items(make.queue(), 1, 2, 3)
        job = make.job()
        QueueItem.objects.filter(pk=owned.pk).update(reserved_for=job.pk)
        QueueItem.objects.filter(pk=worked_on.pk).update(job_id=job.pk)

        assert listed(superuser(), job=str(job.pk)) == {str(owned.pk), str(worked_on.pk)}

    def test_counts_nothing_and_leaves_out_what_can_be_long(self, django_assert_num_queries):
        make.item(payload={"text": "x" * 1000})
        response = superuser().get(list_of(QueueItem))

        [row] = response.context["cl"].result_list
        assert row.get_deferred_fields() == {"payload", "result", "progress", "error_reason", "review_comment"}


class TestAdding:
    def test_asks_for_the_queue_first(self):
        queue, other = make.queue(), make.queue()

        shown = text_of(superuser().get(new(QueueItem)))

        assert f"?queue={queue.pk}" in shown
        assert f"?queue={other.pk}" in shown

    def test_offers_only_queues_one_may_add_to(self):
        mine, theirs = make.queue(), make.queue()
        visitor = with_permissions("queues.add_queueitem", "queues.view_queueitem", inside=mine.tenant)

        asked = visitor.get(adding(theirs))
        sent = visitor.post(adding(theirs), {"payload": "1"})

        assert str(theirs.pk) not in text_of(asked)
        assert sent.status_code == 200
        assert not QueueItem.objects.exists()

    def test_draws_the_form_from_the_schema(self):
        queue = make.queue(schema=INVOICE)

        form = superuser().get(adding(queue)).context["form"]

        assert [name for name in form.fields if name.startswith("payload")] == [
            "payload.customer", "payload.due", "payload.lines", "payload.amount", "payload.urgent", "payload",
        ]  # fmt: skip
        assert form.fields["payload.customer"].required
        assert form.fields["payload.customer"].help_text == "Who pays."
        assert form.fields["payload.due"].widget.input_type == "date"

    def test_makes_the_payload_out_of_what_was_typed(self):
        queue = make.queue(schema=INVOICE, default_priority=3)
        payload = {"customer": "ACME", "amount": "12.5", "due": "2026-12-24", "lines": "[1]", "urgent": "0"}
        typed = {f"payload.{name}": value for name, value in payload.items()} | {"payload": '{"note": "x"}'}
        typed |= {"reference": "INV-1", "tags": "vip, two words"}

        superuser().post(adding(queue), typed)

        item = QueueItem.objects.get()
        assert item.payload == {
            "note": "x", "customer": "ACME", "amount": 12.5, "due": "2026-12-24", "lines": [1], "urgent": True,
        }  # fmt: skip
        assert (item.reference, item.priority, item.tags) == ("INV-1", 3, ["vip", "two words"])

    @pytest.mark.parametrize("moment", ["0001-01-01T00:00", "9999-12-31T23:59"])
    def test_refuses_moments_that_no_row_could_be_read_with_again(self, moment):
        response = superuser().post(adding(make.queue()), {"payload": "1", "deadline": moment})

        assert "between 1970 and 2199" in response.context["form"].errors["deadline"][0]
        assert not QueueItem.objects.exists()

    def test_says_what_is_wrong_at_its_field(self):
        queue = make.queue(schema=INVOICE | {"additionalProperties": False})

        response = superuser().post(adding(queue), {"payload.customer": "ACME", "payload.lines": '{"a": 1}'})

        assert "is not of type" in response.context["form"].errors["payload.lines"][0]
        assert not QueueItem.objects.exists()

    def test_takes_json_where_there_is_no_schema_and_on_demand(self):
        plain, drawn = make.queue(), make.queue(schema=INVOICE)
        visitor = superuser()

        visitor.post(adding(plain), {"payload": "[1, 2]"})
        visitor.post(adding(drawn, json=""), {"payload": '{"customer": ""}'})

        assert list(QueueItem.objects.order_by("pk").values_list("payload", flat=True)) == [[1, 2], {"customer": ""}]

    @pytest.mark.parametrize(
        "schema",
        [
            True,
            {"type": "array"},
            {"properties": {"a": True, "b": False}},
            {"properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": True}},
            {"properties": {"a": {"anyOf": [True, {"type": "null"}]}, "b": {"enum": []}}},
            {"properties": {"a": {"type": "array", "items": {"anyOf": [False]}}}, "x-order": 7},
            {"type": ["object", "null"], "properties": {"a": {"type": ["string"]}}},
            {"properties": {"a": {"type": "array", "prefixItems": [True], "items": False}}},
            {"properties": {"a": {"type": "string", "enum": ["x"], "x-names": 1, "default": {"odd": 1}}}},
        ],
    )
    def test_draws_something_whatever_the_schema_is(self, schema):
        queue = make.queue(schema=schema)

        response = superuser().get(adding(queue))

        assert response.status_code == 200
        assert [name for name in response.context["form"].fields if name.startswith("payload")]

    def test_a_reference_that_is_taken_is_refused(self):
        queue = make.queue(unique_references="always")
        make.item(queue, reference="INV-1")

        response = superuser().post(adding(queue), {"payload": "1", "reference": "INV-1"})

        assert "is taken in this queue" in text_of(response)


class TestAPage:
    def test_shows_what_it_is_about_and_how_it_failed(self):
        item = failed(make.item(payload={"customer": "ACME"}, tags=["vip"], reference="INV-1").queue)

        shown = text_of(superuser().open(item))

        assert "&quot;customer&quot;: &quot;ACME&quot;" in shown
        assert "business error E7:" in shown.lower().replace("business error e7", "business error E7")
        assert "no such customer" in shown
        assert page_of(item.queue) in shown

    def test_shows_every_try_and_who_held_it(self):
        robot = make.robot()
        item = failed(make.item().queue, holder=make.holder(kind="robot", id=robot.pk))
        again = services.requeue_item(item, actor=SYSTEM)
        visitor = superuser()

        first, second = text_of(visitor.open(item)), text_of(visitor.open(again))

        assert page_of(again) in first
        assert "It was tried again" in first
        assert page_of(robot) in first
        assert page_of(item) in second

    def test_leads_to_the_job_that_worked_on_it_only_where_one_may_go(self):
        execution = make.running_job()
        queue = make.queue(make.folder(execution.tenant))
        item = make.item(queue)
        how = make.holder(kind="execution", id=execution.robot_id, execution_id=execution.pk, job_id=execution.job_id)
        make.taken(queue, holder=how)
        guest = with_permissions("queues.view_queueitem", inside=execution.tenant)

        shown, hidden = text_of(superuser().open(item)), text_of(guest.open(item))

        assert page_of(execution) in shown
        assert page_of(execution.job) in shown
        assert page_of(execution) not in hidden
        assert page_of(execution.job) not in hidden
        assert execution.process.name in hidden

    def test_tells_what_happened_to_it(self):
        item, visitor = make.item(), superuser()
        visitor.do(item, "prioritise", priority="7")

        shown = text_of(visitor.open(item))

        assert "Prioritised" in shown
        assert page_of(visitor.person) in shown

    def test_tells_what_its_holder_said_too_late(self):
        lease = make.taken()
        services.finish_item(lease, actor=SYSTEM, report=services.Report("done"))
        services.finish_item(lease, actor=SYSTEM, report=services.Report("failed", **BUSINESS))

        shown = text_of(superuser().open(lease.item))

        assert "then said, too late: failed E7 no such customer" in shown

    def test_asks_the_same_however_many_have_held_it(self, django_assert_max_num_queries):
        queue = make.queue(most_crashes=50)
        item = make.item(queue)
        for _ in range(8):
            lease = make.taken(queue, holder=make.holder(kind="robot", id=make.robot(of=queue.tenant).pk))
            services.finish_item(lease, actor=SYSTEM, report=services.Report("released"))
        visitor = Visitor(make.user("queues.view_queueitem", "queues.view_queue", inside=queue.tenant))

        with django_assert_max_num_queries(26):
            visitor.open(item)

    def test_markup_in_a_payload_stays_text(self):
        wicked = "<img src=x onerror=alert(1)>"
        item = make.item(payload={wicked: wicked}, reference=wicked, tags=[wicked])
        visitor = superuser()

        shown = text_of(visitor.open(item)) + text_of(visitor.get(list_of(QueueItem)))

        assert wicked not in shown


class TestReviewing:
    def test_what_waits_for_review_is_one_press_away(self):
        shown = text_of(superuser().get(list_of(QueueItem)))

        assert "?review_status__exact=open" in shown

    def test_is_settled_with_a_comment(self):
        item, visitor = failed(), superuser()

        form = visitor.get(page_of(item, "review")).context["form"]
        visitor.do(item, "review", status=form["status"].value(), comment="booked by hand")

        item.refresh_from_db()
        assert (item.review_status, item.review_comment) == ("verified", "booked by hand")
        assert item.reviewer == visitor.person.username
        assert "booked by hand" in text_of(visitor.open(item))

    def test_is_settled_for_several_at_once(self):
        items, visitor = [failed(), failed()], superuser()
        ticked = {"action": "review", "index": "0", "confirmed": "1", "_selected_action": [one.pk for one in items]}

        visitor.post(list_of(QueueItem), {**ticked, "status": "verified", "comment": "all booked"})

        assert set(QueueItem.objects.values_list("review_status", "review_comment")) == {("verified", "all booked")}


def test_a_failed_item_is_requeued_and_the_new_try_shown():
    item = failed()

    response = superuser().do(item, "requeue")

    assert response.url == page_of(item.retries.get())
