"""What lists and charts tell of queues, read along indexes and no further than is of use."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from apps.core import ids
from apps.queues import services
from apps.queues.models import QueueItem, statistics
from apps.queues.services import Report
from tests import make

pytestmark = pytest.mark.django_db
SYSTEM = make.SYSTEM
BROKEN = Report("failed", error_type="application", error_reason="the site is down")


def finished(queue, report=None):
    return services.finish_item(make.taken(queue), actor=SYSTEM, report=report or Report("done"))


def test_a_glance_tells_each_queue_apart():
    busy, quiet = make.queue(), make.queue()
    make.items(busy, *range(4))
    make.taken(busy)
    finished(busy, BROKEN)

    told = statistics.glance_at([busy.pk, quiet.pk])

    assert (told[busy.pk].waiting.count, told[busy.pk].in_progress.count, told[busy.pk].failed.count) == (2, 1, 1)
    assert told[busy.pk].oldest_waiting_at is not None
    assert (told[quiet.pk].waiting.count, told[quiet.pk].oldest_waiting_at) == (0, None)


def test_a_glance_leaves_out_what_is_tried_again_and_what_failed_long_ago():
    queue = make.queue(max_attempts=2, backoff_base=0)
    make.item(queue)
    finished(queue, BROKEN)
    again = statistics.glance_at([queue.pk])[queue.pk]
    finished(queue, BROKEN)
    QueueItem.objects.filter(queue=queue, status="failed").update(finished_at=timezone.now() - timedelta(hours=25))

    long_ago = statistics.glance_at([queue.pk])[queue.pk]

    assert (again.failed.count, again.waiting.count) == (0, 1)
    assert long_ago.failed.count == 0


def test_a_glance_counts_no_further_than_is_of_use(monkeypatch):
    monkeypatch.setattr(statistics, "MOST_GLANCED", 3)
    queue = make.queue()
    make.items(queue, *range(5))

    told = statistics.glance_at([queue.pk])[queue.pk]

    assert (told.waiting.shown, told.in_progress.shown) == ("3+", "0")


def test_what_came_and_what_ended_is_told_by_the_minute():
    queue = make.queue()
    make.items(queue, *range(3))
    finished(queue)

    flow = statistics.flow_of(queue)

    assert sum(count for _, count in flow.arrived) == 3
    assert sum(count for _, count in flow.ended) == 1
    assert {minute.second for minute, _ in flow.arrived} == {0}
    assert timezone.now() - flow.since >= timedelta(hours=24)


def test_where_more_came_than_is_looked_at_nothing_is_said_of_the_time_before(monkeypatch):
    monkeypatch.setattr(statistics, "MOST_ENDED", 2)
    queue = make.queue()
    make.items(queue, *range(5))

    flow = statistics.flow_of(queue)

    assert sum(count for _, count in flow.arrived) == 2
    assert flow.since > timezone.now() - timedelta(minutes=2)


def test_both_walk_along_indexes():
    queue = make.queue()
    facts = {"queue": queue.pk, "queues": [queue.pk], "most": 10, "since": ids.first_id_at(timezone.now())}

    plans = [plan_of(statement, facts) for statement in (statistics._GLANCE, statistics._FLOW)]

    assert ["Seq Scan" in plan for plan in plans] == [False, False]
    assert "queueitem_failed" in plans[0]
    assert "queueitem_finished" in plans[1]


def plan_of(statement, facts):
    """How the database would go about a statement if walking through a whole table were dear."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {statement}", facts)
        return "\n".join(line for (line,) in cursor.fetchall())
