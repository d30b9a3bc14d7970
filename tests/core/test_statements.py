"""Statements that are worded once say what the ORM would say each time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.db.models import Q
from django.db.models.functions import Now

from apps.core import ids, statements
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
