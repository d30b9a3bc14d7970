"""Folders."""

import pytest
from django.db import IntegrityError, connection, transaction

from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed
from apps.processes import services as processes
from apps.tenancy import services
from apps.tenancy.models import MAX_FOLDER_DEPTH, Folder
from tests import make
from tests.jobs.reports import told

pytestmark = pytest.mark.django_db


def create(parent, name="Finance"):
    return services.create_folder(parent, actor=make.SYSTEM, name=name)


def test_folders_nest():
    tenant = make.tenant()
    finance = create(tenant)

    payroll = create(finance, "Payroll")

    assert (payroll.parent, payroll.depth) == (finance, 2)
    assert payroll.path.startswith(finance.path)
    assert told(payroll) == ["folder.created"]


def test_they_nest_eight_deep_and_no_deeper():
    folder = make.tenant()
    for level in range(MAX_FOLDER_DEPTH):
        folder = create(folder, f"level {level}")

    assert folder.depth == 8
    with pytest.raises(Invalid, match="at most 8 deep"):
        create(folder, "too deep")


def test_a_name_is_taken_once_in_its_place_whatever_its_case():
    tenant = make.tenant()
    finance = create(tenant)

    with pytest.raises(services.NameTaken):
        create(tenant, "FINANCE")
    assert create(finance, "Finance")


@pytest.mark.parametrize("name", ["", "  ", "a/b"])
def test_a_name_that_cannot_stand_in_a_path_is_refused(name):
    with pytest.raises(Invalid, match="name"):
        create(make.tenant(), name)


def test_a_folder_can_be_renamed(system):
    tenant = make.tenant()
    finance, other = create(tenant), create(tenant, "Other")

    assert services.rename_folder(finance, actor=system, name="Money").name == "Money"
    with pytest.raises(services.NameTaken):
        services.rename_folder(other, actor=system, name="money")


def test_an_empty_folder_goes_and_its_name_is_free(system):
    tenant = make.tenant()
    finance = create(tenant)

    services.delete_folder(finance, actor=system)

    assert finance not in Folder.objects.alive()
    assert create(tenant)


def test_the_default_folder_stays(system):
    with pytest.raises(Conflict, match="default folder"):
        services.delete_folder(make.folder(), actor=system)


def test_a_folder_with_folders_stays(system):
    finance = create(make.tenant())
    create(finance, "Payroll")

    with pytest.raises(Conflict, match="inside"):
        services.delete_folder(finance, actor=system)


def test_a_folder_with_anything_alive_in_it_stays(system):
    finance = create(make.tenant())
    process = make.process(finance, script_path="a.py")

    with pytest.raises(Conflict, match="inside"):
        services.delete_folder(finance, actor=system)

    processes.delete_process(process, actor=system)
    services.delete_folder(finance, actor=system)


def test_nothing_is_made_in_a_deleted_folder(system):
    finance = create(make.tenant())
    services.delete_folder(finance, actor=system)
    finance.refresh_from_db()

    with pytest.raises(Conflict, match="deleted"):
        create(finance, "Payroll")


def test_a_folder_cannot_lie_in_one_of_another_tenant():
    mine, theirs = create(make.tenant()), create(make.tenant())

    with pytest.raises(IntegrityError):
        move_behind_our_back(mine, theirs)


@transaction.atomic
def move_behind_our_back(folder, parent):
    Folder.objects.filter(pk=folder.pk).update(parent=parent)
    connection.check_constraints()


@pytest.mark.parametrize(
    "operation",
    [
        lambda folder, actor: services.create_folder(folder, actor=actor, name="x"),
        lambda folder, actor: services.rename_folder(folder, actor=actor, name="x"),
        lambda folder, actor: services.delete_folder(folder, actor=actor),
    ],
)
def test_who_may_only_look_may_not(operation):
    folder = create(make.tenant())
    viewer = Actor.person(make.user("tenancy.view_folder", inside=folder.tenant))

    with pytest.raises(NotAllowed):
        operation(folder, viewer)
