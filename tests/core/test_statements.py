"""Statements that are worded once say what the ORM would say each time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.postgres.fields import ArrayField
from django.db import DataError, connection, models, transaction
from django.db.models import Q
from django.db.models.functions import Now

from apps.core import ids, statements
from apps.jobs.models import Job
from apps.processes.models import Process
from tests import make

pytestmark = pytest.mark.django_db

_KEY = models.UUIDField()


@pytest.fixture
def process():
    """A process with labels, in a folder of its own."""
    return make.process(make.folder(make.tenant()), required_labels=["gpu", "windows"])


def by_id():
    rows = Process.objects.select_related("folder", "package", "pinned_version")
    return statements.Worded(lambda: rows.filter(pk=statements.Slot("id", _KEY)))


def job_of(process, **facts):
    facts = {"parameters": {}, "script_path": "main.py"} | facts
    where = {"tenant_id": process.tenant_id, "folder_id": process.folder_id}
    return Job(id=ids.uuid7(), process=process, **where, **facts)


def columns(row):
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def test_a_row_is_the_one_the_orm_reads(process):
    found = by_id().first(id=process.pk)

    assert columns(found) == columns(Process.objects.get(pk=process.pk))
    assert not found._state.adding


def test_related_rows_come_with_it(process, django_assert_num_queries):
    with django_assert_num_queries(1):
        found = by_id().first(id=process.pk)
        names = (found.folder.name, found.package.name, found.pinned_version)

    assert names == (process.folder.name, process.package.name, None)


def test_the_same_words_serve_other_values(process):
    other, worded = make.process(process.folder), by_id()

    found = [worded.first(id=one) for one in (process.pk, other.pk, ids.uuid7())]

    assert found == [process, other, None]


def test_what_is_there_can_be_asked(process):
    worded = by_id()

    assert worded.exists(id=process.pk)
    assert not worded.exists(id=ids.uuid7())


@pytest.mark.parametrize(("places", "is_there"), [([], False), (["own"], True), (["own", "other"], True)])
def test_a_column_can_be_among_many_values(process, places, is_there):
    known = {"own": process.folder_id, "other": ids.uuid7()}
    among = statements.Among("folder_id", statements.Slot("folders", ArrayField(_KEY)))
    worded = statements.Worded(lambda: Process.objects.filter(Q(among)))

    assert worded.exists(folders=[known[place] for place in places]) is is_there


def test_an_update_takes_values_and_times_of_the_database(process):
    changes = {"description": "100 % %s", "created_at": Now() - timedelta(days=1), "required_labels": ["x"]}

    changed = statements.update(Process, "t.id = %(id)s", {"id": process.pk}, changes)

    process.refresh_from_db()
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp() - interval '1 day'")
        [yesterday] = cursor.fetchone()
    assert (changed, process.description, process.required_labels) == (1, "100 % %s", ["x"])
    assert abs(process.created_at - yesterday) < timedelta(minutes=1)


def test_an_update_of_what_is_not_there_changes_nothing(process):
    assert statements.update(Process, "t.id = %(id)s", {"id": ids.uuid7()}, {"description": "x"}) == 0


def test_an_inserted_row_knows_what_the_database_filled_in(process):
    folder = process.folder
    row = Process(tenant_id=folder.tenant_id, folder=folder, name="new", script_path="a.py")

    statements.insert(row)

    assert columns(row) == columns(Process.objects.get(name="new"))


def test_many_rows_are_stored_as_the_orm_reads_them(process, django_assert_num_queries):
    moment = datetime(2026, 3, 1, 7, 30, 0, 123456, tzinfo=UTC)
    rows = [job_of(process, available_at=moment, parameters={"a": [1, "ü"]}), job_of(process)]

    with django_assert_num_queries(2):  # One for each set of columns that were given.
        statements.insert_all(rows)

    assert [columns(row) for row in rows] == [columns(Job.objects.get(pk=row.pk)) for row in rows]
    assert rows[0].available_at == moment
    assert not any(row._state.adding for row in rows)


def test_of_many_rows_none_is_stored_where_one_does_not_fit(process):
    rows = [job_of(process), job_of(process, reason="x" * 10_000)]

    with pytest.raises(DataError), transaction.atomic():
        statements.insert_all(rows)

    assert not Job.objects.filter(process=process).exists()


def test_rows_with_expressions_are_stored_beside_the_others(process):
    rows = [job_of(process, start_deadline=Now() + timedelta(seconds=90)), job_of(process)]

    statements.insert_all(rows)

    late, plain = (Job.objects.get(pk=row.pk) for row in rows)
    assert plain.start_deadline is None
    assert late.start_deadline - late.created_at == timedelta(seconds=90)


def test_what_json_cannot_say_is_refused(process):
    with pytest.raises(TypeError):
        statements.insert_all([job_of(process, parameters={"a": b"x"})])


def test_storing_no_rows_at_all_is_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        statements.insert_all([])
