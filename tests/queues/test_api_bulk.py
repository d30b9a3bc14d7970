"""Changing many items over the API."""

from __future__ import annotations

import pytest

from apps.queues import services
from apps.queues.models import QueueItem
from apps.queues.services import Report
from apps.queues.tasks import work_off_bulk_changes
from apps.tenancy import services as tenancy
from tests import api, make

pytestmark = pytest.mark.django_db


@pytest.fixture
def queue():
    return make.queue(make.folder(make.tenant()))


def in_tenant(queue) -> dict[str, str]:
    return {"X-Tenant": queue.tenant.slug}


def test_a_change_is_counted_shown_asked_for_and_worked_off(queue):
    report = Report("failed", error_type="business", error_reason="x")
    items = make.items(queue, *range(12))
    for _ in items:
        services.finish_item(make.taken(queue), actor=make.SYSTEM, report=report)
    root = api.root()
    body = {"action": "requeue", "filters": {"queue": [queue.pk], "error_type": ["business"]}}

    shown = root.post("queue-items/bulk-changes/preview", body, **in_tenant(queue)).json()
    asked = root.post("queue-items/bulk-changes", {**body, "reason": "the bank is back"}, **in_tenant(queue))
    work_off_bulk_changes()
    done = root.get(f"queue-items/bulk-changes/{asked.json()['id']}").json()

    assert (shown["count"], len(shown["items"]), shown["items"][0]["id"]) == (12, 10, str(items[-1].pk))
    assert (asked.status_code, asked.json()["status"], asked.json()["expected"]) == (201, "pending", 12)
    assert (done["status"], done["done"], done["refused"]) == ("completed", 12, 0)
    assert QueueItem.objects.filter(queue=queue, status="new").count() == 12


def test_a_preview_takes_as_many_queries_for_ten_items_as_for_one(queue, django_assert_max_num_queries):
    make.items(queue, *range(10))
    root = api.root()
    body = {"action": "delete", "filters": {"queue": [queue.pk]}}
    root.post("queue-items/bulk-changes/preview", body, **in_tenant(queue))

    with django_assert_max_num_queries(9):
        shown = root.post("queue-items/bulk-changes/preview", body, **in_tenant(queue)).json()

    assert len(shown["items"]) == 10


def test_a_review_carries_its_comment(queue):
    item = make.item(queue)
    services.finish_item(make.taken(queue), actor=make.SYSTEM, report=Report("done"))
    body = {"action": "review", "filters": {"created_after": "2020-01-01T00:00:00Z"},
            "review_status": "verified", "review_comment": "fine"}  # fmt: skip

    asked = api.root().post("queue-items/bulk-changes", body, **in_tenant(queue)).json()
    work_off_bulk_changes()

    item.refresh_from_db()
    assert (item.review_status, item.review_comment) == ("verified", "fine")
    assert (asked["review_status"], asked["review_comment"]) == ("verified", "fine")


def test_only_items_that_one_may_change_are_concerned(queue):
    make.item(queue)
    make.item(make.queue(tenancy.create_folder(queue.tenant, actor=make.SYSTEM, name="Elsewhere")))
    operator = make.user("queues.delete_queueitem", "queues.view_queueitem", inside=queue.folder)
    elsewhere = api.Caller(make.user("queues.delete_queueitem", inside=make.tenant()))
    body = {"action": "delete", "filters": {"status": ["new"]}}

    assert api.Caller(operator).post("queue-items/bulk-changes/preview", body).json()["count"] == 1
    assert elsewhere.post("queue-items/bulk-changes/preview", body).json()["count"] == 0
    assert api.fields_refused(elsewhere.post("queue-items/bulk-changes/preview", body, **in_tenant(queue))) == {
        "X-Tenant"
    }


@pytest.mark.parametrize(
    ("action", "permission"),
    [("requeue", "requeue"), ("postpone", "requeue"), ("prioritise", "requeue"), ("review", "review"),
     ("delete", "delete")],
)  # fmt: skip
def test_each_action_asks_for_its_permission(queue, action, permission):
    body = {"action": action, "filters": {"status": ["new"]}}
    may = api.Caller(make.user(f"queues.{permission}_queueitem", inside=queue.tenant))
    may_not = api.Caller(make.user("queues.view_queueitem", inside=queue.tenant))

    answers = [one.post("queue-items/bulk-changes/preview", body).status_code for one in (may, may_not)]

    assert answers == [200, 403]


def test_who_asked_for_a_change_sees_it_and_strangers_do_not(queue):
    operator = api.Caller(make.user("queues.delete_queueitem", "queues.view_queueitem", inside=queue.folder))
    body = {"action": "delete", "filters": {"status": ["new"]}}

    asked = operator.post("queue-items/bulk-changes", body)

    assert api.ids(operator.get("queue-items/bulk-changes")) == [asked.json()["id"]]
    stranger = api.Caller(make.user("queues.view_queueitem", inside=make.tenant()))
    assert api.ids(stranger.get("queue-items/bulk-changes")) == []


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"action": "delete"}, {"filters"}),
        ({"action": "delete", "filters": {}}, {"filters"}),
        ({"action": "delete", "filters": {"status": []}}, {"filters"}),
        ({"action": "erase", "filters": {"status": ["new"]}}, {"action"}),
        ({"action": "delete", "filters": {"status": ["gone"]}}, {"filters.status.0"}),
        ({"action": "delete", "filters": {"colour": ["red"]}}, {"filters.colour"}),
        ({"action": "delete", "filters": {"queue": [7]}}, {"filters.queue.0"}),
        ({"action": "delete", "filters": {"finished_after": "soon"}}, {"filters.finished_after"}),
        ({"action": "delete", "filters": {"status": ["new"]}, "priority": 5}, {"priority"}),
        ({"action": "prioritise", "filters": {"status": ["new"]}}, {"priority"}),
        ({"action": "prioritise", "filters": {"status": ["new"]}, "priority": 5000}, {"priority"}),
        ({"action": "postpone", "filters": {"status": ["new"]}}, {"available_at"}),
        ({"action": "review", "filters": {"status": ["done"]}, "review_status": "fine"}, {"review_status"}),
    ],
)
def test_what_cannot_be_is_refused_by_name(queue, body, fields):
    refused = api.root().post("queue-items/bulk-changes", body, **in_tenant(queue))

    assert api.fields_refused(refused) == fields
