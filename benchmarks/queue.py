"""How many items go through a queue in a second: taken and completed in batches, beside it as bare SQL.

.venv/bin/python -m benchmarks.queue --items 1000000 --consumers 50 --batch 10
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
import uuid
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import UUID

import django
import psutil

from benchmarks import figures
from benchmarks.ground import ground

if TYPE_CHECKING:
    from apps.queues.models import Queue
    from benchmarks.bare import Bare
    from tests.plants import Plant

START_SECONDS = 5.0
"""Until when all consumers have their connections."""

_FILL = """
    INSERT INTO queues_queueitem (id, created_at, tenant_id, folder_id, queue_id, status, reference, payload, priority,
        available_at, tags, attempt, lineage, crashes, error_type, error_code, error_reason, review_status, reviewer,
        review_comment, created_by)
    SELECT {new_id}, now(), %(tenant)s, %(folder)s, %(queue)s, 'new', 'INV-' || n,
        jsonb_build_object('invoice', n, 'total', '1290.50'), n %% 3, now(), '{{}}', 1, gen_random_uuid(), 0, '', '',
        '', 'none', '', '', 'benchmark'
    FROM generate_series(1, %(count)s) AS n
"""
#: The least that keeps the same promises, on the product's tables: an item is locked, its lease closed, the fact told.
_TAKE = """
WITH line AS MATERIALIZED (
    SELECT id FROM queues_queueitem
    WHERE queue_id = '{queue}' AND status = 'new' AND deleted_at IS NULL AND reserved_for IS NULL
      AND available_at <= now()
    ORDER BY priority DESC, deadline ASC NULLS LAST, id LIMIT {batch} FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE queues_queueitem i SET status = 'in_progress', taken_at = now() FROM line WHERE i.id = line.id RETURNING i.id
), leased AS (
    INSERT INTO queues_itemlease (id, created_at, tenant_id, item_id, queue_id, lease_id, holder_kind, holder_id,
        granted_at, expires_at, outcome, result_digest)
    SELECT uuidv7(), now(), '{tenant}', id, '{queue}', gen_random_uuid(), 'service', gen_random_uuid(), now(),
        now() + interval '300 s', '', '' FROM taken RETURNING id, item_id
), told AS (
    INSERT INTO events_event (id, type, tenant_id, folder_id, subject_kind, subject_id, data, actor_kind, actor_id)
    SELECT uuidv7(), 'item.taken', '{tenant}', '{folder}', 'queueitem', id, '{{"status": "in_progress"}}', 'x', 'x'
    FROM taken
)
SELECT {columns} FROM leased \\gset
"""
#: For some of what was taken: one item, or all of it.
_COMPLETE = """
BEGIN;
SELECT status FROM queues_queueitem WHERE id = ANY(ARRAY[{items}]::uuid[]) ORDER BY id FOR UPDATE;
UPDATE queues_itemlease SET closed_at = now(), outcome = 'done', result_digest = 'x'
    WHERE id = ANY(ARRAY[{leases}]::uuid[]) AND closed_at IS NULL;
UPDATE queues_queueitem SET status = 'done', finished_at = now(), result = '{{"paid": true}}'
    WHERE id = ANY(ARRAY[{items}]::uuid[]) AND status = 'in_progress';
INSERT INTO events_event (id, type, tenant_id, folder_id, subject_kind, subject_id, data, actor_kind, actor_id)
    SELECT uuidv7(), 'item.done', '{tenant}', '{folder}', 'queueitem', one, '{{"status": "done"}}', 'x', 'x'
    FROM unnest(ARRAY[{items}]::uuid[]) AS one;
COMMIT;
"""


def main() -> None:
    asked = _arguments()
    with ground() as plant:
        from benchmarks import bare  # needs Django

        ours, theirs = (_filled_queue(asked.items // 2) for _ in range(2))
        print(figures.load_of_machine())
        script = _script(theirs, asked.batch, asked.singly)
        without_us = bare.pgbench(plant, script, clients=asked.consumers, seconds=asked.seconds)
        bare_rate = without_us.cycles_per_second * asked.batch
        print(f"bare SQL: {bare_rate:.0f} items/s")
        completed, used = _through_services(plant, ours, asked)
        rate = completed / asked.seconds
        print(f"through the services: {rate:.0f} items/s, {asked.consumers} consumers, {asked.processes} processes")
        print(f"ratio: {rate / bare_rate:.3f}")
        print(figures.table("processor time of an item, in ms", _spent(without_us, bare_rate, used, rate)))
        print(figures.table("cores used", [(name, f"{cores:.2f}") for name, cores in used.items()]))
        print(figures.table("doubles", _doubles(ours, completed)))
        print(figures.table("adding, 1,000 at once", _adding(plant, asked.seconds)))
        print(figures.load_of_machine())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.queue", description=__doc__)
    parser.add_argument("--items", type=int, default=100_000, help="half of them for each of the two (default: 100000)")
    parser.add_argument("--consumers", type=int, default=50)
    parser.add_argument("--batch", type=int, default=10, help="items taken at once (default: 10)")
    parser.add_argument("--processes", type=int, default=2, help="that the consumers share (default: 2)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each of the two measurements (default: 20)")
    parser.add_argument("--singly", action="store_true", help="complete item by item, not as they were taken")
    return parser.parse_args()


def _filled_queue(count: int) -> Queue:
    from django.db import connection

    from apps.events.rules import NEW_ID
    from tests import make

    queue = make.queue()
    facts = {"tenant": queue.tenant_id, "folder": queue.folder_id, "queue": queue.pk, "count": count}
    with connection.cursor() as cursor:
        cursor.execute(_FILL.format(new_id=NEW_ID), facts)
        cursor.execute("VACUUM ANALYZE queues_queueitem")
    return queue


def _script(queue: Queue, batch: int, singly: bool) -> str:
    facts = {"queue": queue.pk, "tenant": queue.tenant_id, "folder": queue.folder_id}
    columns = ", ".join(
        f"(array_agg(item_id))[{n}] AS item_{n}, (array_agg(id))[{n}] AS lease_{n}" for n in range(1, batch + 1)
    )
    numbers = range(1, batch + 1)
    shares = [[n] for n in numbers] if singly else [list(numbers)]
    completes = [
        _COMPLETE.format(
            items=", ".join(f":item_{n}" for n in share), leases=", ".join(f":lease_{n}" for n in share), **facts
        )
        for share in shares
    ]
    return "".join([_TAKE.format(batch=batch, columns=columns, **facts), *completes])


def _through_services(plant: Plant, queue: Queue, asked: argparse.Namespace) -> tuple[int, dict[str, float]]:
    shares = [len(range(number, asked.consumers, asked.processes)) for number in range(asked.processes)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(asked.processes, mp_context=context, initializer=django.setup) as pool:
        for one in [pool.submit(time.sleep, 1.0) for _ in shares]:  # Until each is there, however long that takes.
            one.result()
        begin_at = time.time() + START_SECONDS
        facts = (queue.pk, asked.batch, asked.singly, begin_at, asked.seconds)
        running = [pool.submit(consume, share, *facts) for share in shares]
        meter = figures.Meter(
            {
                "consumers": lambda: [psutil.Process(pid) for pid in pool._processes],
                "postgres": lambda: plant.processes("postgres"),
            }
        )
        time.sleep(max(0.0, begin_at - time.time()))
        meter.start()
        time.sleep(asked.seconds)
        used = meter.stop()
        return sum(one.result() for one in running), used


def consume(consumers: int, queue_id: UUID, batch: int, singly: bool, begin_at: float, seconds: float) -> int:
    """Take and complete items with so many consumers at once; returns how many were completed in time."""
    with ThreadPoolExecutor(consumers) as pool:
        facts = (queue_id, batch, singly, begin_at, begin_at + seconds)
        return sum(one.result() for one in [pool.submit(_consume_until, *facts) for _ in range(consumers)])


def _consume_until(queue_id: UUID, batch: int, singly: bool, begin_at: float, end_at: float) -> int:
    from django.db import connection

    from apps.queues import services
    from apps.queues.models import Queue
    from tests.make import SYSTEM

    queue, completed = Queue.objects.get(pk=queue_id), 0
    holder, report = services.Holder("service", uuid.uuid4()), services.Report("done", result={"paid": True})
    time.sleep(max(0.0, begin_at - time.time()))
    try:
        while time.time() < end_at:
            leases = services.take_items(queue, actor=SYSTEM, holder=holder, count=batch)
            completed += _complete(leases, report, singly, end_at)
    finally:
        connection.close()
    return completed


def _complete(leases: Any, report: Any, singly: bool, end_at: float) -> int:
    """Complete what was taken, in one call or item by item; returns how many were completed in time."""
    from apps.queues import services
    from tests.make import SYSTEM

    if not singly:
        services.finish_items([(lease, report) for lease in leases], actor=SYSTEM)
        return len(leases) if time.time() < end_at else 0
    completed = 0
    for lease in leases:
        services.finish_item(lease, actor=SYSTEM, report=report)
        completed += time.time() < end_at
    return completed


def _adding(plant: Plant, seconds: float) -> list[tuple[str, str]]:
    """Tell how fast one caller adds items, and what a thousand of them cost."""
    from apps.queues import services
    from tests import make
    from tests.make import SYSTEM

    queue = make.queue(schema={"type": "object", "required": ["invoice"]})
    wanted = [services.Wanted(payload={"invoice": n, "total": "1290.50"}, reference=f"INV-{n}") for n in range(1000)]
    meter = figures.Meter({"python": lambda: [psutil.Process()], "postgres": lambda: plant.processes("postgres")})
    begun, calls = time.perf_counter(), 0
    meter.start()
    while time.perf_counter() - begun < seconds:
        services.add_items(queue, actor=SYSTEM, wanted=wanted)
        calls += 1
    used = meter.stop()
    rate = 1000 * calls / (time.perf_counter() - begun)
    cost = {name: 1000 * 1000 * cores / rate for name, cores in used.items()}
    return [("items in a second", f"{rate:.0f}"), ("processor time of 1,000, in ms", _listed(cost))]


def _spent(without_us: Bare, bare_rate: float, used: dict[str, float], rate: float) -> list[tuple[str, str]]:
    """Tell what an item costs: on a machine that does other things as well, a truer measure than the rate."""
    bare_cost = {name: 1000 * cores / bare_rate for name, cores in without_us.cores.items()}
    our_cost = {name: 1000 * cores / rate for name, cores in used.items()}
    return [("bare SQL", _listed(bare_cost)), ("through the services", _listed(our_cost))]


def _listed(costs: dict[str, float]) -> str:
    return f"{sum(costs.values()):.2f} ({', '.join(f'{name} {cost:.2f}' for name, cost in costs.items())})"


def _doubles(queue: Queue, completed: int) -> list[tuple[str, str]]:
    from apps.queues.models import ItemLease, QueueItem

    leases: Any = ItemLease.objects.filter(queue=queue)
    done = QueueItem.objects.filter(queue=queue, status="done").count()
    return [
        ("items out twice", str(leases.count() - leases.values("item").distinct().count())),
        ("items done", f"{done} ({completed} of them within the time)"),
    ]


if __name__ == "__main__":
    main()
