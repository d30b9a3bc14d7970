"""A key between rows of tenants: the database refuses one that crosses."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, models
from django.db.migrations.writer import MigrationWriter

from apps.core.models import InTenant, SameTenant, tenant_key
from apps.packages.models import Package
from apps.processes.models import Process
from apps.tenancy.models import Folder
from tests import make

pytestmark = pytest.mark.django_db


def check_now():
    """Check what the database would check at the commit."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_row_of_another_tenant_cannot_be_pointed_at():
    ours, theirs = make.folder(), make.folder()
    Package.objects.create(tenant=ours.tenant, folder=theirs, name="stray")

    with pytest.raises(IntegrityError, match="package_folder_same_tenant"):
        check_now()


def test_a_row_of_the_same_tenant_can():
    ours = make.folder()
    Package.objects.create(tenant=ours.tenant, folder=ours, name="at home")

    check_now()


def test_no_update_carries_a_row_across_either():
    process = make.process()
    other = make.tenant()

    Process.objects.filter(pk=process.pk).update(tenant=other)

    with pytest.raises(IntegrityError, match="same_tenant"):
        check_now()


def test_a_row_that_others_point_at_cannot_be_deleted_behind_our_back():
    process = make.process()
    check_now()

    with pytest.raises(IntegrityError, match="same_tenant"), connection.cursor() as cursor:
        cursor.execute("DELETE FROM packages_package WHERE id = %s", [process.package_id])


def test_an_empty_key_points_nowhere_and_is_fine():
    folder = make.folder()

    assert folder.parent_id is None
    check_now()


def test_the_key_is_checked_at_the_commit_so_that_rows_may_be_made_in_any_order():
    ours, theirs = make.folder(), make.folder()
    stray = Package.objects.create(tenant=ours.tenant, folder=theirs, name="for a moment")

    Package.objects.filter(pk=stray.pk).update(folder=ours)

    check_now()


class TestTheDeclaration:
    def test_a_migration_can_be_written_of_it(self):
        text, imports = MigrationWriter.serialize(SameTenant("folder", name="x_same_tenant"))

        assert text == "apps.core.models.SameTenant(field='folder', name='x_same_tenant')"
        assert imports == {"import apps.core.models"}

    def test_the_same_declaration_is_no_change(self):
        assert SameTenant("folder", name="a") == SameTenant("folder", name="a")
        assert SameTenant("folder", name="a") != SameTenant("folder", name="b")
        assert SameTenant("folder", name="a") != SameTenant("process", name="a")
        assert SameTenant("folder", name="a") != models.UniqueConstraint(fields=["folder"], name="a")
        assert len({SameTenant("folder", name="a"), SameTenant("folder", name="a")}) == 1

    def test_the_field_says_what_it_is_in_a_migration(self):
        _, path, _, options = InTenant("tenancy.Folder", related_name="+").clone().deconstruct()

        assert path == "apps.core.models.InTenant"
        assert options["db_constraint"] is False

    def test_its_form_never_asks_the_database(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            SameTenant("folder", name="a").validate(Package, Package())

    def test_a_target_carries_its_tenant_in_a_unique_key(self):
        assert tenant_key("folder").fields == ("tenant", "id")
        assert any(constraint.name == "folder_tenant_key" for constraint in Folder._meta.constraints)

    def test_it_can_be_taken_away_and_put_back(self):
        constraint = next(one for one in Package._meta.constraints if one.name == "package_folder_same_tenant")
        check_now()

        with connection.schema_editor(atomic=False) as editor:
            editor.remove_constraint(Package, constraint)
        assert "package_folder_same_tenant" not in names()
        with connection.schema_editor(atomic=False) as editor:
            editor.add_constraint(Package, constraint)

        assert "package_folder_same_tenant" in names()


def names():
    with connection.cursor() as cursor:
        cursor.execute("SELECT conname FROM pg_constraint WHERE conrelid = 'packages_package'::regclass")
        return {name for (name,) in cursor.fetchall()}
