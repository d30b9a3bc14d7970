"""Many holders at once, with real connections: each item is out once, and nothing is lost."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from apps.jobs.models.invariants import check_invariants
from apps.queues import services
from apps.queues.models import ItemLease, Queue, QueueItem
from apps.queues.services import Report
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)

CONSUMERS, ITEMS = 50, 1_000
DONE, NO = Report("done"), Report("failed", error_type="application", error_reason="no")


def at_once(*functions: Callable[[], Any]) -> list[Any]:
    """Call functions at the same moment, each on a connection of its own, and return their answers."""
    ready = threading.Barrier(len(functions))

    def call(function: Callable[[], Any]) -> Any:
        ready.wait(60)
        try:
            return function()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(functions)) as pool:
        return list(pool.map(call, functions))


def take(queue, count):
    return services.take_items(queue, actor=make.SYSTEM, holder=make.holder(), count=count)


def finish(lease, report):
    return services.finish_item(lease, actor=make.SYSTEM, report=report)


def consumer(queue, reports, seed):
    """One who takes and settles, singly or all at once, until nothing waits; returns the items it was given."""
    chance = random.Random(seed)

    def work():
        given = []
        while leases := take(queue, chance.randint(1, 7)):
            given += [lease.item_id for lease in leases]
            told = [(lease, chance.choice(reports)) for lease in leases]
            if chance.random() < 0.5:
                services.finish_items(told, actor=make.SYSTEM)
                continue
            for lease, report in told:
                finish(lease, report)
        return given

    return work


def given_by(queue, *reports):
    lists = at_once(*[consumer(queue, reports, seed) for seed in range(CONSUMERS)])
    return Counter(item for given in lists for item in given)


def broken():
    return [str(finding) for finding in check_invariants() if not finding.holds]


def test_each_item_is_given_out_once():
    queue = make.queue()
    items = make.items(queue, *range(ITEMS))

    given = given_by(queue, DONE)

    assert given == Counter(item.pk for item in items)
    assert QueueItem.objects.filter(queue=queue, status="done").count() == ITEMS
    assert broken() == []


def test_what_fails_is_tried_again_once_and_each_try_is_given_out_once():
    queue = make.queue(max_attempts=2, backoff_base=0)
    make.items(queue, *range(ITEMS // 4))

    given = given_by(queue, DONE, NO)

    every_try = QueueItem.objects.filter(queue=queue)
    assert given == Counter(every_try.values_list("pk", flat=True))
    assert {attempt for _, attempt in every_try.values_list("pk", "attempt")} <= {1, 2}
    assert not every_try.filter(status__in=["new", "in_progress"]).exists()
    assert broken() == []


def test_of_a_report_its_repetition_and_a_sweep_at_once_one_counts():
    queue = make.queue(max_attempts=5, backoff_base=0)
    make.items(queue, *range(10))
    leases = take(queue, 10)
    ItemLease.objects.update(expires_at=Now() - timedelta(seconds=1))

    def each(operation):
        return lambda: [operation(ItemLease.objects.select_related("queue").get(pk=lease.pk)) for lease in leases]

    at_once(
        each(lambda lease: finish(lease, DONE)),
        each(lambda lease: finish(lease, DONE)),
        each(lambda lease: services.sweep_lease(lease, actor=make.SYSTEM)),
        each(lambda lease: services.sweep_lease(lease, actor=make.SYSTEM)),
    )

    assert QueueItem.objects.filter(queue=queue).count() == 10
    assert set(QueueItem.objects.values_list("status", flat=True)) == {"done"}
    assert broken() == []


def test_who_ends_the_same_ones_in_another_order_waits_and_gets_the_same_answer():
    queue = make.queue(max_attempts=2, backoff_base=0)
    make.items(queue, *range(60))
    told = [(lease, NO if number % 3 == 0 else DONE) for number, lease in enumerate(take(queue, 60))]

    def shuffled(seed):
        leases = {lease.pk: lease for lease in ItemLease.objects.select_related("item__queue__folder")}
        mine = [(leases[lease.pk], report) for lease, report in random.Random(seed).sample(told, 60)]
        return lambda: [one.answer for one in services.finish_items(mine, actor=make.SYSTEM)]

    answers = Counter(answer for given in at_once(*[shuffled(seed) for seed in range(8)]) for answer in given)

    assert answers == {"accepted": 60, "repeated": 7 * 60}
    assert QueueItem.objects.filter(queue=queue, retry_of=None, status="done").count() == 40
    assert QueueItem.objects.filter(queue=queue, status="new").count() == 20
    assert broken() == []


def waiting_for_locks():
    """How many wait for a row or a transaction of others. Not the table of activity: a transaction sees it once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()")
        return cursor.fetchone()[0]


def test_a_queue_that_is_deleted_meanwhile_gets_no_items():
    queue = make.queue(max_attempts=1)
    make.item(queue)
    failed = finish(make.taken(queue), NO).item
    fresh = Queue.objects.get(pk=queue.pk)

    def told(operation):
        try:
            return operation()
        except services.QueueClosed:
            return "closed"
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            services.delete_queue(queue, actor=make.SYSTEM)
            adding = pool.submit(
                told, lambda: services.add_items(fresh, actor=make.SYSTEM, wanted=[services.Wanted(payload=1)])
            )
            trying = pool.submit(told, lambda: services.requeue_item(failed, actor=make.SYSTEM))
            until = time.monotonic() + 20
            while waiting_for_locks() < 2 and time.monotonic() < until:
                time.sleep(0.01)
        assert (adding.result(), trying.result()) == ("closed", "closed")
    assert QueueItem.objects.filter(queue=queue).count() == 1
