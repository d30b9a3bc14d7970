"""How fast old rows go, and what a run costs that finds nothing to do.

.venv/bin/python -m benchmarks.retention --rows 200000

Of so many ended jobs (each with an execution), items (each with a lease) and firings half are too old. The first run
lets those go, in this process as a worker does; the second finds nothing.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from benchmarks import figures
from benchmarks.ground import ground

#: Of every second row the end lies within the days that are kept.
_ENDED = "now() - make_interval(days => CASE WHEN n %% 2 = 0 THEN 200 ELSE 1 END, secs => n)"
#: An id that is as old as the row, and unlike any other.
_ID = (
    "overlay((lpad(to_hex((extract(epoch FROM {moment}) * 1000)::bigint), 12, '0') || '7' ||"
    " substr(replace(gen_random_uuid()::text, '-', ''), 14, 19)) placing '8' from 17 for 1)::uuid"
)


def main() -> None:
    asked = argparse.ArgumentParser(prog="benchmarks.retention", description=__doc__)
    asked.add_argument("--rows", type=int, default=200_000)
    rows = asked.parse_args().rows
    with ground():
        print(figures.load_of_machine())
        _furnish(rows)
        print(figures.table(f"{rows} rows of each kind, half of them too old", _run()))
        print(figures.table("again, with nothing to do", _run()))
        print(figures.load_of_machine())


def _run() -> list[tuple[str, str]]:
    """Let go what is old, and return how long each kind took."""
    from apps.retention.models import Pruning
    from apps.retention.tasks import prune

    began, processor = time.monotonic(), time.process_time()
    gone = prune(seconds=None)
    seconds, here = time.monotonic() - began, time.process_time() - processor
    took = dict(Pruning.objects.values_list("kind", "last_seconds"))
    each = [
        (name, f"{count:,} in {took[name]:.2f} s" + (f", {count / took[name]:,.0f}/s" if count else ""))
        for name, count in gone.items()
    ]
    return [*each, ("all", f"{seconds:.2f} s, of which {here:.2f} s of processor time here")]


def _furnish(rows: int) -> None:
    """Make one row of each kind as the product does, and many more like it."""
    from apps.jobs.models import Execution, Job
    from apps.queues import services as queues
    from apps.triggers.models import Firing
    from tests import make
    from tests.jobs.reports import finish
    from tests.retention.aged import firing

    execution = make.running_job()
    finish(execution)
    lease = make.taken()
    queues.finish_item(lease, actor=make.SYSTEM, report=queues.Report("done"))
    lease.refresh_from_db()
    lease.item.refresh_from_db()
    identity = _ID.format(moment=_ENDED)
    _multiply(Job.objects.get(pk=execution.job_id), rows, id=identity, finished_at=_ENDED)
    execution.refresh_from_db()
    fresh = {"id": "gen_random_uuid()", "lease_id": "gen_random_uuid()"}
    wishes = {"claim_request_id": "gen_random_uuid()"}
    _multiply(execution, source="jobs_job j", named="j.id <> t.job_id", job_id="j.id", **fresh, **wishes)
    _multiply(lease.item, rows, id=identity, lineage=identity, finished_at=_ENDED)
    _run_sql("UPDATE queues_queueitem SET lineage = id")
    _multiply(lease, source="queues_queueitem i", named="i.id <> t.item_id", item_id="i.id", **fresh)
    _multiply(firing(1), rows, id=identity, due_at=_ENDED, decided_at=_ENDED)
    for table in (Job, Execution, type(lease.item), type(lease), Firing):
        _run_sql(f'VACUUM ANALYZE "{table._meta.db_table}"')


def _multiply(row: Any, rows: int = 0, *, source: str = "", named: str = "true", **changes: str) -> None:
    """Put more rows like one into its table: so many, or one for each of ``source``, with other values as SQL."""
    table, columns = row._meta.db_table, [field.column for field in row._meta.concrete_fields]
    values = ", ".join(changes.get(column, f't."{column}"') for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    series = source or f"generate_series(1, {rows}) n"
    _run_sql(
        f'INSERT INTO "{table}" ({names}) SELECT {values} FROM "{table}" t, {series} WHERE t.id = %s AND {named}',
        row.pk,
    )


def _run_sql(statement: str, *parameters: Any) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)


if __name__ == "__main__":
    main()
