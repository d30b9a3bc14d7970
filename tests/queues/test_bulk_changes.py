"""Changing many items by filter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.errors import Invalid, NotAllowed
from apps.events.models import Event
from apps.queues import services, tasks
from apps.queues.models import ItemBulkAction, ItemBulkChange, QueueItem
from apps.queues.services import Report
from apps.tenancy import services as tenancy
from tests import make

pytestmark = pytest.mark.django_db

FAILED = Report("failed", error_type="business", error_code="E1", error_reason="No number.")
PERMISSIONS = ("queues.requeue_queueitem", "queues.review_queueitem", "queues.delete_queueitem")


@pytest.fixture
def queue():
    return make.queue()


@pytest.fixture
def operator(queue):
    return Actor.person(make.user(*PERMISSIONS, inside=queue.tenant))


def ask(queue, operator, action, **facts):
    filters = facts.pop("filters", {"queue": [str(queue.pk)]})
    return services.request_item_change(queue.tenant, actor=operator, action=action, filters=filters, **facts)


def work_off(change):
    tasks.work_off_bulk_changes()
    change.refresh_from_db()
    return change


def ended(queue, report=FAILED, **wanted):
    """An item of which a holder reported."""
    one = make.item(queue, **wanted)
    services.finish_item(make.taken(queue), actor=make.SYSTEM, report=report)
    return one


def told(item):
    return list(Event.objects.about(item).order_by("seq").values_list("type", flat=True))


def test_what_matches_is_counted_before_anything_happens(queue, operator):
    make.items(queue, 1, 2)
    make.item(make.queue(queue.folder))

    change = ask(queue, operator, ItemBulkAction.PRIORITISE, priority=7)

    assert (change.expected, change.status) == (2, "pending")
    assert set(queue.items.values_list("priority", flat=True)) == {0}


def test_what_waits_is_moved_in_line_and_what_is_worked_on_is_not(queue, operator):
    make.items(queue, 1, 2, 3)
    held = make.taken(queue).item

    change = work_off(ask(queue, operator, ItemBulkAction.PRIORITISE, priority=7))

    assert list(queue.items.exclude(pk=held.pk).values_list("priority", flat=True)) == [7, 7]
    assert QueueItem.objects.get(pk=held.pk).priority == 0
    assert (change.status, change.done, change.refused) == ("completed", 2, 0)


def test_what_waits_is_postponed(queue, operator):
    make.items(queue, 1, 2)
    until = timezone.now() + timedelta(days=1)

    work_off(ask(queue, operator, ItemBulkAction.POSTPONE, available_at=until))

    assert set(queue.items.values_list("available_at", flat=True)) == {until}


def test_what_failed_is_tried_again_as_one_by_one(queue, operator):
    by_itself, in_bulk = (ended(queue, payload={"n": 1}, reference="INV", tags=["eu"], priority=3) for _ in range(2))
    QueueItem.objects.filter(pk=in_bulk.pk).update(review_status="open")
    first = services.requeue_item(by_itself, actor=operator)

    change = work_off(ask(queue, operator, ItemBulkAction.REQUEUE))

    second = QueueItem.objects.get(retry_of=in_bulk)
    own = {"id", "created_at", "available_at", "lineage", "retry_of_id"}
    names = [field.attname for field in QueueItem._meta.concrete_fields if field.attname not in own]
    assert {name: getattr(second, name) for name in names} == {name: getattr(first, name) for name in names}
    assert (second.lineage, second.status, second.attempt) == (in_bulk.pk, "new", 1)
    assert QueueItem.objects.get(pk=in_bulk.pk).review_status == "retried"
    assert (change.expected, change.done, change.refused) == (1, 1, 0)


def test_what_was_tried_again_in_between_is_refused_and_the_rest_goes_on(queue, operator):
    first, second = ended(queue), ended(queue)
    change = ask(queue, operator, ItemBulkAction.REQUEUE, filters={"items": [str(first.pk), str(second.pk)]})
    services.requeue_item(first, actor=operator)

    work_off(change)

    assert (change.expected, change.done) == (2, 1)
    assert [one.retries.count() for one in (first, second)] == [1, 1]


def test_what_is_over_is_reviewed(queue, operator):
    over, waiting = ended(queue), make.item(queue)

    work_off(ask(queue, operator, ItemBulkAction.REVIEW, review_status="verified", review_comment="known"))

    over.refresh_from_db()
    assert (over.review_status, over.review_comment, over.reviewer) == ("verified", "known", operator.name)
    assert QueueItem.objects.get(pk=waiting.pk).review_status == "none"


def test_items_are_deleted_unless_somebody_works_on_them(queue, operator):
    make.items(queue, 1, 2)
    held = make.taken(queue).item

    change = work_off(ask(queue, operator, ItemBulkAction.DELETE))

    assert list(queue.items.filter(deleted_at=None)) == [held]
    assert change.done == 1


@pytest.mark.parametrize(
    ("action", "facts", "event"),
    [
        (ItemBulkAction.PRIORITISE, {"priority": 7}, "item.prioritised"),
        (ItemBulkAction.POSTPONE, {"available_at": datetime(2026, 12, 1, tzinfo=UTC)}, "item.postponed"),
        (ItemBulkAction.DELETE, {}, "item.deleted"),
    ],
)
def test_each_items_history_tells_of_it_and_the_trail_once(queue, operator, action, facts, event):
    items = make.items(queue, 1, 2)

    change = work_off(ask(queue, operator, action, reason="end of month", **facts))

    [first, second] = [Event.objects.about(one).get() for one in items]
    assert [first.type, second.type] == [event, event]
    assert first.data["bulk"] == str(change.pk)
    assert (first.data["status"], first.actor_id) == ("new", operator.id)
    entries = AuditEntry.objects.filter(actor_id=operator.id)
    assert [(entry.action, entry.reason) for entry in entries] == [("items.bulk_change_requested", "end of month")]


def test_the_history_of_what_was_tried_again_names_what_it_retries(queue, operator):
    old = ended(queue)

    work_off(ask(queue, operator, ItemBulkAction.REQUEUE))

    again = old.retries.get()
    assert told(again) == ["item.retried"]
    assert Event.objects.about(again).get().data["retry_of"] == str(old.pk)


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"status": ["failed"]}, 2),
        ({"error_type": ["business"]}, 2),
        ({"error_code": ["E1"]}, 1),
        ({"reference": ["A", "B"]}, 2),
        ({"reference": ["A"], "error_code": ["E2"]}, 0),
        ({"tag": ["eu", "us"]}, 1),
        ({"review_status": ["open"]}, 0),
        ({"finished_after": "2020-01-01T00:00:00+00:00"}, 2),
        ({"created_before": "2020-01-01T00:00:00+00:00"}, 0),
    ],
)
def test_items_are_named_by_what_they_are(queue, operator, filters, count):
    ended(queue, reference="A", tags=["eu"])
    other = Report("failed", error_type="business", error_code="E2", error_reason="x")
    ended(queue, other, reference="B")
    make.item(queue, reference="C")

    assert ask(queue, operator, ItemBulkAction.REQUEUE, filters=filters).expected == count


def test_items_added_after_the_request_are_left_alone(queue, operator):
    change = ask(queue, operator, ItemBulkAction.DELETE)
    item = make.item(queue)

    work_off(change)

    assert QueueItem.objects.get(pk=item.pk).deleted_at is None


def test_it_goes_on_where_it_was_batch_by_batch(queue, operator, monkeypatch):
    monkeypatch.setattr("apps.core.bulk.BATCH", 2)
    make.items(queue, *range(5))
    change = ask(queue, operator, ItemBulkAction.PRIORITISE, priority=1)

    looked_at = [services.advance_item_change(change, actor=make.SYSTEM) for _ in range(4)]

    change.refresh_from_db()
    assert looked_at == [2, 2, 1, None]
    assert (change.status, change.done) == ("completed", 5)


def test_a_batch_that_was_cut_off_is_as_if_it_had_never_begun(queue, operator, monkeypatch):
    make.items(queue, 1, 2)
    change = ask(queue, operator, ItemBulkAction.PRIORITISE, priority=1)
    with monkeypatch.context() as broken:
        broken.setitem(services._many._NEEDS, ItemBulkAction.PRIORITISE, lambda *batch: {}["gone"])
        with pytest.raises(KeyError):
            services.advance_item_change(change, actor=make.SYSTEM)
    change.refresh_from_db()
    before = (change.status, change.after)

    work_off(change)

    assert before == ("pending", None)
    assert (change.status, change.done) == ("completed", 2)


def test_the_requesters_rights_are_those_of_the_moment(queue, operator):
    item = make.item(queue)
    change = ask(queue, operator, ItemBulkAction.DELETE)
    operator.user.role_assignments.all().delete()

    work_off(change)

    assert (change.status, change.done) == ("completed", 0)
    assert QueueItem.objects.get(pk=item.pk).deleted_at is None


def test_a_disabled_requesters_change_fails_and_says_why(queue, operator):
    make.item(queue)
    change = ask(queue, operator, ItemBulkAction.DELETE)
    type(operator.user).objects.filter(pk=operator.user.pk).update(is_active=False)

    work_off(change)

    assert change.status == "failed"
    assert "Sign in" in change.problem


def test_only_what_the_requester_may_change_is_changed(queue):
    elsewhere = tenancy.create_folder(queue.tenant, actor=make.SYSTEM, name="Elsewhere")
    theirs, ours, foreign = make.item(make.queue(elsewhere)), make.item(queue), make.item()
    operator = Actor.person(make.user("queues.delete_queueitem", inside=elsewhere))

    change = work_off(ask(queue, operator, ItemBulkAction.DELETE, filters={"status": ["new"]}))

    gone = QueueItem.objects.exclude(deleted_at=None)
    assert (change.done, [one.pk for one in gone]) == (1, [theirs.pk])
    assert {ours.pk, foreign.pk} <= set(QueueItem.objects.alive().values_list("pk", flat=True))


@pytest.mark.parametrize(
    ("action", "facts", "field"),
    [
        (ItemBulkAction.PRIORITISE, {}, "priority"),
        (ItemBulkAction.PRIORITISE, {"priority": 1001}, "priority"),
        (ItemBulkAction.POSTPONE, {}, "available_at"),
        (ItemBulkAction.POSTPONE, {"available_at": datetime(2150, 1, 1, tzinfo=UTC)}, "available_at"),
        (ItemBulkAction.REVIEW, {}, "review_status"),
        (ItemBulkAction.REVIEW, {"review_status": "lovely"}, "review_status"),
        (ItemBulkAction.REVIEW, {"review_status": "open", "review_comment": "x" * 10_001}, "review_comment"),
        (ItemBulkAction.DELETE, {"priority": 1}, "priority"),
        (ItemBulkAction.REQUEUE, {"review_comment": "x"}, "review_comment"),
    ],
)
def test_what_an_action_needs_belongs_to_it_alone_and_lies_in_bounds(queue, operator, action, facts, field):
    with pytest.raises(Invalid) as refused:
        ask(queue, operator, action, **facts)

    assert [problem.field for problem in refused.value.problems] == [field]


def test_who_may_change_nothing_may_not_ask(queue):
    viewer = Actor.person(make.user("queues.view_queueitem", inside=queue.tenant))

    with pytest.raises(NotAllowed):
        ask(queue, viewer, ItemBulkAction.REQUEUE)


def test_people_do_not_work_it_off_themselves(queue, operator):
    change = ask(queue, operator, ItemBulkAction.DELETE)

    with pytest.raises(NotAllowed):
        services.advance_item_change(change, actor=operator)


def test_a_change_that_has_ended_is_not_begun_again(queue, operator):
    change = work_off(ask(queue, operator, ItemBulkAction.DELETE))

    assert services.advance_item_change(change, actor=make.SYSTEM) is None
    assert ItemBulkChange.objects.get(pk=change.pk).finished_at == change.finished_at
