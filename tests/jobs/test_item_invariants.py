"""What must hold of items: a sound history breaks nothing, and each thing that breaks something is found."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.db.models.functions import Now

from apps.events import services as events
from apps.jobs.models import Execution, Job
from apps.jobs.models.invariants import check_invariants
from apps.queues import services
from apps.queues.models import ItemLease, QueueItem
from tests import make
from tests.jobs.reports import finish

pytestmark = pytest.mark.django_db


@pytest.fixture
def process():
    return make.process()


@pytest.fixture
def owned(process):
    """An item that a running job owns."""
    item = make.item(make.queue(process.folder))
    execution = make.running_job(process, queue_items=[item.pk])
    item.refresh_from_db()
    item.execution = execution
    return item


def broken():
    return {finding.invariant.name: len(finding.broken) for finding in check_invariants() if not finding.holds}


def change(model, pk, **changes):
    model._base_manager.filter(pk=pk).update(**changes)


def drop(table, name):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f'DROP INDEX "{name}"')


def report(status, **facts):
    return services.Report(status, **facts)


def test_a_sound_history_breaks_nothing(owned):
    queue = make.queue(max_attempts=3, most_crashes=1)
    for kind in ("application", "business"):
        make.item(queue)
        failed = report("failed", error_type=kind, error_reason="no")
        services.finish_item(make.taken(queue), actor=make.SYSTEM, report=failed)
    make.item(queue)
    services.finish_item(make.taken(queue), actor=make.SYSTEM, report=report("released"))
    lease = make.taken(queue)
    change(ItemLease, lease.pk, expires_at="2020-01-01T00:00Z")
    services.sweep_lease(lease, actor=make.SYSTEM)
    lease.item.refresh_from_db()
    services.requeue_item(lease.item, actor=make.SYSTEM)

    assert broken() == {}
    finish(owned.execution)
    assert broken() == {}


def test_i1_two_open_leases_of_an_item():
    lease = make.taken()
    services.finish_item(lease, actor=make.SYSTEM, report=report("released"))
    make.taken(lease.queue)
    drop("queues_itemlease", "itemlease_one_open")
    change(ItemLease, lease.pk, closed_at=None)

    assert broken() == {"I1": 1}


def test_i1_an_item_in_progress_that_nobody_holds():
    lease = make.taken()
    change(ItemLease, lease.pk, closed_at=Now(), outcome="released")

    assert broken() == {"I1": 1}


def test_i1_a_lease_of_an_item_that_waits():
    change(QueueItem, make.taken().item_id, status="new")

    assert broken() == {"I1": 1, "I16": 1}


def test_i16_an_item_that_changed_without_a_word():
    lease = make.taken()
    services.finish_item(lease, actor=make.SYSTEM, report=report("done"))
    change(QueueItem, lease.item_id, status="failed", error_type="system")

    assert broken() == {"I16": 1}


def test_i16_an_item_that_is_over_and_went_on():
    lease = make.taken()
    services.finish_item(lease, actor=make.SYSTEM, report=report("done"))
    facts = {"attempt": 1}
    events.record("item.returned", lease.item, data=facts | {"status": "new"})
    events.record("item.done", lease.item, data=facts | {"status": "done"})

    assert broken() == {"I16": 1}


def test_i16_an_item_that_was_handed_out_twice():
    lease = make.taken()
    events.record("item.taken", lease.item, data={"status": "in_progress", "attempt": 1})

    assert broken() == {"I16": 1}


def test_i24_a_lease_that_outlived_its_execution(owned):
    change(Execution, owned.execution.pk, status="revoked", finished_at=Now())

    assert broken()["I24"] == 1


def test_i24_a_lease_under_an_execution_that_is_nowhere():
    make.item(queue := make.queue())
    make.taken(queue, holder=make.holder(kind="execution", execution_id=uuid.uuid4()))

    assert broken() == {"I24": 1}


def test_i24_an_item_kept_for_a_job_that_is_over(process):
    item = make.item(make.queue(process.folder))
    job = make.job(process, queue_items=[item.pk])
    change(Job, job.pk, status="cancelled", finished_at=Now())

    assert broken()["I24"] == 1


def test_i20_an_item_kept_for_a_job_of_another_tenant(process):
    item = make.item()
    change(QueueItem, item.pk, reserved_for=make.job(process).pk)

    assert broken() == {"I20": 1}
