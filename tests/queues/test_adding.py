from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from apps.core.errors import Conflict, Invalid
from apps.queues import services
from apps.queues.models import QueueItem
from apps.queues.services import Report, Wanted
from tests import make
from tests.make import SYSTEM

pytestmark = pytest.mark.django_db


def add(queue, *wanted):
    return services.add_items(queue, actor=SYSTEM, wanted=wanted)


def test_what_an_item_leaves_open_is_as_its_queue_says():
    queue = make.queue(default_priority=3, default_deadline=3600, sla=600)

    [item] = add(queue, Wanted(payload={"a": 1}))

    assert item.priority == 3
    assert (item.deadline - item.late_at).total_seconds() == 3000
    assert item.lineage == item.pk


def test_what_is_postponed_counts_its_times_from_then():
    queue, later = make.queue(sla=60), timezone.now() + timedelta(hours=1)

    [item] = add(queue, Wanted(available_at=later))

    assert (item.available_at, item.late_at) == (later, later + timedelta(seconds=60))


def test_every_problem_is_named_with_its_row_and_nothing_is_added():
    queue = make.queue(schema={"type": "object", "required": ["number"], "properties": {"number": {"type": "integer"}}})

    with pytest.raises(Invalid) as refused:
        add(queue, Wanted({"number": 1}), Wanted({"number": "x"}), Wanted({}, priority=5000), Wanted([], tags=[""]))

    fields = [problem.field for problem in refused.value.problems]
    assert fields == [
        "items[1].payload.number", "items[2].priority", "items[2].payload", "items[3].tags", "items[3].payload",
    ]  # fmt: skip
    assert not QueueItem.objects.filter(queue=queue).exists()


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (Wanted(reference="x" * 201), "reference"),
        (Wanted(payload="x" * 1024 * 1024), "payload"),
        (Wanted(available_at=timezone.now() + timedelta(days=400)), "available_at"),
        (Wanted(tags=["x"] * 21), "tags"),
    ],
)
def test_what_is_out_of_bounds_is_refused(wanted, field):
    with pytest.raises(Invalid) as refused:
        add(make.queue(), wanted)

    assert [problem.field for problem in refused.value.problems] == [field]


def test_none_and_too_many_are_refused():
    with pytest.raises(Invalid, match="between 1 and 1000"):
        add(make.queue())
    with pytest.raises(Invalid, match="between 1 and 1000"):
        add(make.queue(), *[Wanted()] * 1001)


def test_a_deleted_queue_takes_nothing():
    queue = make.queue()
    services.delete_queue(queue, actor=SYSTEM)
    queue.refresh_from_db()

    with pytest.raises(services.QueueClosed):
        add(queue, Wanted())


class TestReferences:
    def test_where_they_need_not_be_unique_they_may_repeat(self):
        assert len(add(make.queue(), Wanted(reference="A"), Wanted(reference="A"))) == 2

    @pytest.mark.parametrize("rule", ["always", "unfinished", "window"])
    def test_a_reference_is_taken_by_an_item_that_waits(self, rule):
        queue = make.queue(unique_references=rule, unique_window=60)
        [first] = add(queue, Wanted(reference="A"))

        with pytest.raises(services.DuplicateReference) as refused:
            add(queue, Wanted(reference="B"), Wanted(reference="A"))

        assert refused.value.extra == {"references": {"A": str(first.pk)}}
        assert len(add(queue, Wanted(reference="B"), Wanted(), Wanted())) == 3

    def test_a_reference_may_not_repeat_within_one_call_either(self):
        with pytest.raises(services.DuplicateReference):
            add(make.queue(unique_references="always"), Wanted(reference="A"), Wanted(reference="A"))

    @pytest.mark.parametrize(("rule", "is_free"), [("always", False), ("unfinished", True), ("window", False)])
    def test_an_item_that_is_done_frees_its_reference_by_the_rule(self, rule, is_free):
        queue = make.queue(unique_references=rule, unique_window=60)
        add(queue, Wanted(reference="A"))
        services.finish_item(make.taken(queue), actor=SYSTEM, report=Report("done"))

        assert is_taken(queue, "A") is not is_free

    def test_a_window_ends(self):
        queue = make.queue(unique_references="window", unique_window=60)
        [old] = add(queue, Wanted(reference="A"))
        QueueItem.objects.filter(pk=old.pk).update(created_at=Now() - timedelta(seconds=61))

        assert not is_taken(queue, "A")

    def test_a_try_that_waits_keeps_the_reference_of_its_lineage(self):
        queue = make.queue(unique_references="unfinished", max_attempts=2)
        add(queue, Wanted(reference="A"))
        failed = Report("failed", error_type="application", error_reason="x")
        services.finish_item(make.taken(queue), actor=SYSTEM, report=failed)

        assert is_taken(queue, "A")

    def test_a_try_keeps_the_reference_although_the_one_before_it_was_deleted(self):
        queue = make.queue(unique_references="always", max_attempts=2)
        [first] = add(queue, Wanted(reference="A"))
        failed = Report("failed", error_type="application", error_reason="x")
        services.finish_item(make.taken(queue), actor=SYSTEM, report=failed)

        services.delete_item(first, actor=SYSTEM)

        assert is_taken(queue, "A")

    def test_of_several_tries_the_first_is_named(self):
        queue = make.queue(unique_references="always", max_attempts=2)
        [first] = add(queue, Wanted(reference="A"))
        failed = Report("failed", error_type="application", error_reason="x")
        services.finish_item(make.taken(queue), actor=SYSTEM, report=failed)

        with pytest.raises(services.DuplicateReference) as refused:
            add(queue, Wanted(reference="A"))

        assert refused.value.extra == {"references": {"A": str(first.pk)}}


def is_taken(queue, reference):
    try:
        add(queue, Wanted(reference=reference))
    except services.DuplicateReference:
        return True
    return False


class TestQueues:
    def test_a_changed_schema_becomes_a_new_version_and_items_name_theirs(self):
        queue = make.queue(schema={"type": "object"})
        [before] = add(queue, Wanted({}))

        services.update_queue(queue, actor=SYSTEM, schema={"type": "array"})
        services.update_queue(queue, actor=SYSTEM, description="the same schema")
        [after] = add(queue, Wanted([]))

        assert [before.schema.number, after.schema.number] == [1, 2]
        assert queue.schemas.count() == 2

    def test_a_schema_can_be_taken_away(self):
        queue = make.queue(schema={"type": "object"})

        services.update_queue(queue, actor=SYSTEM, schema=None)

        assert len(add(queue, Wanted("anything"))) == 1

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"name": ""}, "name"),
            ({"max_attempts": 0}, "max_attempts"),
            ({"lease_seconds": 1}, "lease_seconds"),
            ({"unique_references": "window"}, "unique_window"),
            ({"unique_references": "sometimes"}, "unique_references"),
            ({"default_priority": 2000}, "default_priority"),
            ({"colour": "red"}, "colour"),
            ({"schema": {"type": "nothing"}}, "schema"),
        ],
    )
    def test_what_makes_no_queue_is_refused_by_name(self, fields, field):
        with pytest.raises(Invalid) as refused:
            make.queue(**fields)

        assert [problem.field for problem in refused.value.problems] == [field]

    def test_a_name_is_free_again_once_its_queue_is_gone(self):
        queue = make.queue(name="Invoices")

        with pytest.raises(Conflict, match="has a queue"):
            make.queue(queue.folder, name="invoices")
        services.delete_queue(queue, actor=SYSTEM)

        assert make.queue(queue.folder, name="invoices").pk != queue.pk

    def test_a_queue_with_unfinished_items_stays(self):
        with pytest.raises(Conflict, match="unfinished items"):
            services.delete_queue(make.item().queue, actor=SYSTEM)
