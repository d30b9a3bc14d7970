"""What a migrate leaves behind besides tables."""

from __future__ import annotations

import pytest
from django.db import connection

from apps.core import streams
from apps.jobs.models import Plane
from apps.jobs.receivers import after_migrate
from apps.rbac.models import Role
from tests.streams_fixtures import DatabaseSession

pytestmark = pytest.mark.django_db


def run(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)


def lock_against_changes(table):
    """Hold what keeps partitions from being made, while rows are read and written."""
    run(f'LOCK TABLE ONLY "{table}" IN SHARE UPDATE EXCLUSIVE MODE')


def test_a_new_database_gets_its_plane_and_roles():
    Plane.objects.all().delete()
    Role.objects.all().delete()

    after_migrate()

    assert Plane.objects.count() == 1
    assert set(Role.objects.values_list("name", flat=True)) == {
        "Administrator", "Developer", "Operator", "Robot owner", "Viewer",
    }  # fmt: skip


def test_every_stream_has_room_for_the_time_to_come():
    stream = streams.all_streams()[0]
    last = streams.partitions_of(stream)[-1]
    run(f'ALTER TABLE "{stream._meta.db_table}" DETACH PARTITION "{last.name}"')
    run(f'DROP TABLE "{last.name}"')

    after_migrate()

    assert last in streams.partitions_of(stream)


def test_a_migrate_that_stops_on_the_way_leaves_it_to_the_next():
    run("ALTER TABLE jobs_plane RENAME TO jobs_plane_to_come")

    after_migrate()

    run("ALTER TABLE jobs_plane_to_come RENAME TO jobs_plane")


@pytest.mark.django_db(transaction=True)
def test_a_busy_stream_does_not_hold_up_the_rest():
    stream = streams.all_streams()[0]
    last = streams.partitions_of(stream)[-1]
    run(f'ALTER TABLE "{stream._meta.db_table}" DETACH PARTITION "{last.name}"')
    run(f'DROP TABLE "{last.name}"')
    Plane.objects.all().delete()
    other = DatabaseSession()
    other.begin()
    other.run(lock_against_changes, stream._meta.db_table)

    after_migrate()

    assert Plane.objects.count() == 1
    other.commit()
    other.close()
    after_migrate()
    assert last in streams.partitions_of(stream)
