"""A run with nothing to do looks into indexes, and not through tables, however large those are."""

import json

import pytest
from django.db import connection

from apps.core.keeping import Keeping
from apps.jobs.models import Artefact, Job, forgetting
from apps.queues.models import forgetting as items
from apps.triggers.models import forgetting as firings
from tests import make
from tests.retention.aged import cancelled, days_ago, done, firing

pytestmark = pytest.mark.django_db
ROWS = 20_000
#: A page holds some dozens of rows: reading through any of the tables takes several times as many.
MOST_PAGES = 120
FACTS = Keeping(30).parameters | {"limit": 1000}


def multiplied(row, **changes):
    """Put many more rows like one into its table, with other values as SQL; ``n`` is the number of each."""
    table, columns = row._meta.db_table, [field.column for field in row._meta.concrete_fields]
    values = ", ".join(changes.get(column, f't."{column}"') for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    with connection.cursor() as cursor:
        source = f'FROM "{table}" t, generate_series(1, {ROWS}) n WHERE t.id = %s'
        cursor.execute(f'INSERT INTO "{table}" ({names}) SELECT {values} {source}', [row.pk])
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f'ANALYZE "{table}"')


def run(statement, **facts):
    """How many pages a statement read, and the indexes and tables that it went through."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {statement}", FACTS | facts)
        (answer,) = cursor.fetchone()
    plan = (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], list(read(plan))


def read(plan):
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    yield from filter(None, [plan.get("Index Name")])
    for inner in plan.get("Plans", []):
        yield from read(inner)


RECENTLY = "now() - make_interval(secs => n)"


@pytest.fixture
def jobs():
    multiplied(cancelled(1), id="gen_random_uuid()", finished_at=RECENTLY)
    assert Job.objects.count() > ROWS


def test_of_jobs(jobs):
    pages, through = run(forgetting._OLD_JOBS)

    assert pages < MOST_PAGES
    assert "job_ended_of_process" in through
    assert "jobs_job" not in through


def test_of_jobs_some_of_which_are_to_go(jobs):
    fifty = Job.objects.order_by("pk").values("pk")[:50]
    Job.objects.filter(pk__in=fifty).update(finished_at=days_ago(40))

    _, through = run(forgetting._OLD_JOBS)

    assert "jobs_job" not in through
    assert len(forgetting.old_jobs(Keeping(30), 1000)) == 50


def test_of_items():
    multiplied(done(1), id="gen_random_uuid()", lineage="gen_random_uuid()", finished_at=RECENTLY)

    pages, through = run(items._OLD_LINEAGES)

    assert pages < MOST_PAGES
    assert "queues_queueitem" not in through


def test_of_firings():
    multiplied(firing(1), id="overlay(gen_random_uuid()::text placing 'f' from 1)::uuid", due_at=RECENTLY)

    none = Keeping(30).parameters
    pages, through = run(firings._OLD_FIRINGS, **{f"job_{name}": value for name, value in none.items()})

    assert pages < MOST_PAGES
    # With one trigger alone the planner may take either index.
    assert {*through} & {"firing_newest_of_trigger", "triggers_firing_pkey"}
    assert "triggers_firing" not in through


def test_of_files():
    artefact = make.artefact()
    multiplied(artefact, id="overlay(gen_random_uuid()::text placing 'f' from 1)::uuid", name="n::text")
    assert Artefact.objects.count() > ROWS

    pages, through = run(forgetting._OLD_ARTEFACTS)

    assert pages < MOST_PAGES
    assert "jobs_artefact" not in through
