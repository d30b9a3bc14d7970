"""Changing every item that the list of items shows."""

from __future__ import annotations

import pytest

from apps.jobs.models import BulkChange
from apps.queues import services
from apps.queues.models import ItemBulkChange, QueueItem
from apps.queues.services import Report
from apps.queues.tasks import work_off_bulk_changes
from tests import make
from tests.admin.visitors import list_of, new, page_of, superuser, text_of, with_permissions

pytestmark = pytest.mark.django_db

FAILED = Report("failed", error_type="business", error_reason="No number.")


def failed_item(queue):
    item = make.item(queue)
    services.finish_item(make.taken(queue), actor=make.SYSTEM, report=FAILED)
    return item


def test_every_item_that_matches_is_changed_after_a_preview():
    queue = make.queue(name="Invoices")
    matching, other = failed_item(queue), failed_item(make.queue(queue.folder))
    waiting = make.item(queue)
    visitor = superuser()
    address = f"{new(ItemBulkChange)}?status__exact=failed&queue__id__exact={queue.pk}&since=all"

    preview = text_of(visitor.get(address))
    asked = visitor.post(address, {"action": "requeue", "reason": "the bank is back"})
    work_off_bulk_changes()

    change = ItemBulkChange.objects.get()
    assert "Requeue: 1 item" in preview
    assert "Postpone: 0 items" in preview
    assert "that are failed, of Invoices" in preview
    assert asked.url == page_of(change)
    assert [one.retries.count() for one in (matching, other, waiting)] == [1, 0, 0]
    assert "1 of 1 done" in text_of(visitor.open(change))
    assert str(change) == "Requeue: 1"


def test_an_action_takes_what_it_needs_and_leaves_the_rest_alone():
    item = make.item()
    visitor, address = superuser(), f"{new(ItemBulkChange)}?queue__id__exact={item.queue_id}"

    without = visitor.post(address, {"action": "prioritise", "available_at": "2026-12-01T08:00"})
    visitor.post(address, {"action": "prioritise", "priority": "50", "available_at": "2026-12-01T08:00"})
    work_off_bulk_changes()

    item.refresh_from_db()
    assert "priority" in without.context["form"].errors
    assert item.priority == 50


def test_the_list_leads_to_the_change_with_its_own_filters():
    response = superuser().get(list_of(QueueItem), status__exact="failed", since="24h")

    assert response.context["bulk_address"] == f"{new(ItemBulkChange)}?status__exact=failed&since=24h"


def test_a_change_of_many_leads_back_to_the_list_as_it_was():
    make.tenant()

    shown = text_of(superuser().get(new(ItemBulkChange), status__exact="failed", since="24h"))

    assert f'href="{list_of(QueueItem)}?status__exact=failed&amp;since=24h"' in shown


def test_a_change_of_many_refuses_filters_it_cannot_follow():
    make.tenant()

    shown = text_of(superuser().get(new(ItemBulkChange), q="invoices", job="x"))

    assert "cannot follow (the search, the job)" in shown


@pytest.mark.parametrize("query", [{"queue__id__exact": "x"}, {"folder__id__exact": "7"}, {"status__exact": "gone"}])
def test_an_address_that_makes_no_sense_changes_nothing(query):
    item = make.item()
    address = (
        f"{new(ItemBulkChange)}?tenant__id__exact={item.tenant_id}&{next(iter(query))}={next(iter(query.values()))}"
    )

    answer = superuser().post(address, {"action": "delete"})
    work_off_bulk_changes()

    assert answer.status_code in (200, 302)
    assert QueueItem.objects.get(pk=item.pk).deleted_at is None


@pytest.mark.parametrize("query", [{"process__id__exact": "x"}, {"folder__id__exact": "7"}])
def test_neither_does_one_of_jobs(query):
    tenant = make.tenant()

    answer = superuser().get(new(BulkChange), tenant__id__exact=tenant.pk, **query)

    assert "cannot follow" in text_of(answer)


def test_who_may_only_look_is_not_led_to_change_many():
    visitor = with_permissions("queues.view_queueitem", inside=make.tenant())

    assert visitor.get(list_of(QueueItem)).context["bulk_address"] == ""
    assert visitor.get(new(ItemBulkChange)).status_code == 403


def test_a_change_of_many_spares_what_one_may_not_change():
    queue = make.queue()
    item, theirs = make.item(queue), make.item(make.queue(make.folder()))
    visitor = with_permissions("queues.view_queueitem", "queues.delete_queueitem", inside=queue.folder)

    visitor.post(f"{new(ItemBulkChange)}?status__exact=new&since=all&folder__id__exact={queue.folder_id}",
                 {"action": "delete"})  # fmt: skip
    work_off_bulk_changes()

    gone = QueueItem.objects.exclude(deleted_at=None).values_list("pk", flat=True)
    assert set(gone) <= {item.pk}
    assert theirs.pk not in gone


def test_who_only_reviews_is_offered_that_alone():
    queue = make.queue()
    failed_item(queue)
    visitor = with_permissions("queues.view_queueitem", "queues.view_queue", "queues.review_queueitem")

    shown = visitor.get(f"{new(ItemBulkChange)}?status__exact=failed&queue__id__exact={queue.pk}&since=all")

    assert [value for value, _ in shown.context["form"].fields["action"].choices] == ["review"]
    assert "Review: 1 item" in text_of(shown)
