"""Making one job of chosen items, and what the pages of jobs show of items."""

from __future__ import annotations

import pytest
from django.urls import reverse

from apps.jobs.models import Job
from apps.queues import services
from apps.queues.models import QueueItem
from tests import make
from tests.admin.visitors import Visitor, list_of, page_of, superuser, text_of, with_permissions

pytestmark = pytest.mark.django_db
SYSTEM = make.SYSTEM


@pytest.fixture
def process():
    return make.process()


@pytest.fixture
def queue(process):
    return make.queue(process.folder)


@pytest.fixture
def visitor():
    return superuser()


def make_job(visitor, items, process, **typed):
    data = {"item": [item.pk for item in items], "process": process.pk, "confirmed": "1"}
    return visitor.post(reverse("admin:queues_queueitem_job"), data | {"parameters.customer": "ACME"} | typed)


def test_ticked_items_are_asked_about_step_by_step(process, queue, visitor):
    items = make.items(queue, 1, 2, reference="INV-1")
    ticked = {"action": "job", "index": "0", "_selected_action": [item.pk for item in items]}

    first = visitor.post(list_of(QueueItem), ticked)
    chosen = {"item": [item.pk for item in items], "process": process.pk}
    second = visitor.post(reverse("admin:queues_queueitem_job"), chosen)

    assert "these 2 items" in text_of(first)
    assert [row.pk for row in first.context["form"].fields["process"].queryset] == [process.pk]
    assert "parameters.customer" in second.context["form"].fields
    assert not Job.objects.exists()


def test_the_job_owns_the_items_and_its_page_shows_them(process, queue, visitor):
    items = make.items(queue, 1, 2, reference="INV-1")

    response = make_job(visitor, items, process, priority="7")

    job = Job.objects.get()
    assert response.url == page_of(job)
    assert (job.priority, job.parameters["customer"], job.source) == (7, "ACME", "manual")
    assert set(QueueItem.objects.values_list("reserved_for", flat=True)) == {job.pk}
    shown = text_of(visitor.open(job))
    assert "owns it" in shown
    assert page_of(items[0]) in shown
    assert page_of(job) in text_of(visitor.open(items[0]))


def test_one_item_is_made_a_job_of_from_its_page(queue, visitor):
    item, taken = make.item(queue), make.taken().item

    address = f"{reverse('admin:queues_queueitem_job')}?item={item.pk}"

    assert address in text_of(visitor.open(item))
    assert "this item" in text_of(visitor.get(address))
    assert reverse("admin:queues_queueitem_job") not in text_of(visitor.open(taken))


def test_of_a_filtered_list_the_best_that_wait_are_taken(process, queue, visitor, monkeypatch):
    monkeypatch.setattr("apps.jobs.admin.item_jobs.MOST_OWNED", 2)
    plain, urgent, other = (make.item(queue, priority=priority, tags=["vip"]) for priority in (0, 9, -5))
    make.item(queue, priority=100)
    make.item(tags=["vip"], priority=100)
    filters = {"queue__id__exact": str(queue.pk), "tag": "vip"}

    listed = text_of(visitor.get(list_of(QueueItem), **filters))
    response = visitor.get(reverse("admin:queues_queueitem_job"), **filters)

    assert "Make a job of the first 100 that wait" in listed
    assert [item.pk for item in response.context["chosen"].items] == [urgent.pk, plain.pk]
    assert other.pk not in {item.pk for item in response.context["chosen"].items}


def test_filters_that_are_none_are_not_found(visitor):
    response = visitor.get(reverse("admin:queues_queueitem_job"), queue__id__exact="nonsense")

    assert response.status_code == 404


def test_what_waits_no_more_is_left_out_and_that_is_said(process, queue, visitor):
    free, over = make.items(queue, 1, 2)
    services.delete_item(over, actor=SYSTEM)

    make_job(visitor, [over], process)
    response = visitor.get(reverse("admin:queues_queueitem_job"), item=[free.pk, over.pk])

    assert "1 of those you chose is left out" in text_of(response)
    assert not Job.objects.exists()


def test_items_of_several_tenants_make_no_job(visitor):
    items = [make.item(), make.item()]

    response = visitor.get(reverse("admin:queues_queueitem_job"), item=[item.pk for item in items])

    assert "They are of several tenants" in text_of(response)
    assert response.context["form"] is None


def test_what_the_entrypoint_does_not_take_is_said_at_its_field(process, queue, visitor):
    response = make_job(visitor, make.items(queue, 1), process, **{"parameters.amount": "many"})

    assert response.status_code == 200
    assert "parameters.amount" in response.context["form"].errors
    assert not Job.objects.exists()


def test_who_may_not_take_items_makes_no_jobs_of_them(process, queue):
    item = make.item(queue)
    guest = with_permissions("queues.view_queueitem", "processes.run_process", inside=queue.tenant)

    response = make_job(guest, [item], process)

    assert response.status_code == 403
    assert reverse("admin:queues_queueitem_job") not in text_of(guest.open(item))
    assert not Job.objects.exists()


def test_only_processes_one_may_run_are_offered(process, queue):
    item = make.item(queue)
    elsewhere = make.user("processes.run_process", inside=make.tenant())
    person = make.user("queues.view_queueitem", "queues.take_queueitem", "processes.view_process", inside=queue.tenant)
    person.role_assignments.add(elsewhere.role_assignments.get(), bulk=False)
    guest = Visitor(person)

    response = make_job(guest, [item], process)

    assert "process" in response.context["form"].errors
    assert not Job.objects.exists()


def test_items_of_another_tenant_cannot_be_chosen(process):
    foreign = make.item()
    guest = with_permissions(
        "queues.view_queueitem", "queues.take_queueitem", "processes.run_process", inside=process.tenant
    )

    response = make_job(guest, [foreign], process)

    assert "None of them waits" in text_of(response)
    assert not Job.objects.exists()


def test_a_job_shows_what_it_took_to_whoever_may_see_items():
    execution = make.running_job()
    queue = make.queue(make.folder(execution.tenant))
    item = make.item(queue, reference="INV-1")
    how = make.holder(kind="execution", id=execution.robot_id, execution_id=execution.pk, job_id=execution.job_id)
    make.taken(queue, holder=how)
    guest = with_permissions("jobs.view_job", inside=execution.tenant)

    shown, hidden = text_of(superuser().open(execution.job)), text_of(guest.open(execution.job))

    assert "took it" in shown
    assert page_of(item) in shown
    assert page_of(item) not in hidden
