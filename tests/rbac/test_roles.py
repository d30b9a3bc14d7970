"""Roles, and who holds them where."""

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, connection, transaction

from apps.accounts import services as accounts
from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed
from apps.rbac import services as rbac
from apps.rbac.models import Role, RoleAssignment
from tests import make

pytestmark = pytest.mark.django_db

ROLE_KEEPER = (
    "rbac.add_role", "rbac.change_role", "rbac.delete_role", "rbac.add_roleassignment", "rbac.delete_roleassignment",
)  # fmt: skip


def named(*permissions):
    return [
        Permission.objects.get(content_type__app_label=app, codename=code)
        for app, code in (permission.split(".") for permission in permissions)
    ]


def keeper(*permissions, inside=None):
    return Actor.person(make.user(*ROLE_KEEPER, *permissions, inside=inside))


def builtin(name):
    return Role.objects.get(name=name, tenant=None)


def test_there_are_five_roles_to_begin_with():
    assert set(Role.objects.filter(is_builtin=True).values_list("name", flat=True)) == {
        "Administrator", "Developer", "Operator", "Robot owner", "Viewer",
    }  # fmt: skip


def test_seeding_again_changes_nothing(system):
    before = set(builtin("Operator").permissions.all())

    rbac.ensure_builtin_roles(actor=system)

    assert set(builtin("Operator").permissions.all()) == before
    assert Role.objects.filter(is_builtin=True).count() == 5


def test_an_operator_may_cancel_and_not_publish():
    codes = {permission.codename for permission in builtin("Operator").permissions.all()}

    assert {"cancel_job", "view_robot", "run_process"} <= codes
    assert not {"upload_package", "delete_robot", "change_process"} & codes


def test_an_operator_looks_after_files_and_not_after_stores():
    codes = {permission.codename for permission in builtin("Operator").permissions.all()}

    assert {"add_itemfile", "delete_itemfile", "view_filestore", "add_storedfile", "delete_storedfile"} <= codes
    assert not {"add_filestore", "change_filestore", "delete_filestore"} & codes


def test_a_robot_owner_enrols_and_rotates_and_neither_deletes_nor_runs():
    codes = {permission.codename for permission in builtin("Robot owner").permissions.all()}

    assert {"enrol_machine", "add_robot", "rotate_robot", "view_job"} <= codes
    assert not {"delete_robot", "delete_machine", "run_process", "cancel_job"} & codes


def test_a_viewer_changes_nothing():
    assert {one.codename.split("_")[0] for one in builtin("Viewer").permissions.all()} == {"view"}


def test_a_role_can_be_made_changed_and_deleted(system):
    role = rbac.create_role(" Night shift ", actor=system, permissions=named("jobs.view_job"))
    rbac.update_role(role, actor=system, name="Nights", description="d", permissions=named("jobs.cancel_job"))

    assert (role.name, [one.codename for one in role.permissions.all()]) == ("Nights", ["cancel_job"])
    rbac.delete_role(role, actor=system)
    assert not Role.objects.filter(name="Nights").exists()
    actions = AuditEntry.objects.filter(target_name__in=["Night shift", "Nights"]).values_list("action", flat=True)
    assert set(actions) == {"role.created", "role.updated", "role.deleted"}


def test_a_name_is_free_once_per_tenant(system):
    tenant = make.tenant()
    rbac.create_role("Nights", actor=system, tenant=tenant)
    other = rbac.create_role("Days", actor=system, tenant=tenant)

    with pytest.raises(Conflict) as refusal:
        rbac.create_role("Nights", actor=system, tenant=tenant)
    assert refusal.value.code == "name_taken"
    with pytest.raises(Conflict):
        rbac.update_role(other, actor=system, name="Nights", description="", permissions=[])
    assert rbac.create_role("Nights", actor=system)


def test_a_role_needs_a_name(system):
    with pytest.raises(Invalid, match="name"):
        rbac.create_role("  ", actor=system)


@pytest.mark.parametrize(
    "operation",
    [
        lambda role: rbac.update_role(role, actor=make.SYSTEM, name="x", description="", permissions=[]),
        lambda role: rbac.delete_role(role, actor=make.SYSTEM),
    ],
)
def test_built_in_roles_stay(operation):
    with pytest.raises(Conflict, match="built in"):
        operation(builtin("Viewer"))


def test_a_role_somebody_holds_stays(system):
    role = rbac.create_role("Nights", actor=system)
    rbac.assign_role(role, actor=system, user=make.user())

    with pytest.raises(Conflict, match="still held"):
        rbac.delete_role(role, actor=system)


def test_assigning_twice_is_assigning_once(system):
    user, tenant = make.user(), make.tenant()

    first = rbac.assign_role(builtin("Viewer"), actor=system, user=user, tenant=tenant)
    second = rbac.assign_role(builtin("Viewer"), actor=system, user=user, tenant=tenant)

    assert first == second
    assert AuditEntry.objects.about(user).filter(action="role.assigned").count() == 1


def test_a_role_taken_away_is_gone(system):
    user, tenant = make.user(), make.tenant()
    assignment = rbac.assign_role(builtin("Viewer"), actor=system, user=user, tenant=tenant)

    rbac.revoke_role(assignment, actor=system)

    assert not RoleAssignment.objects.filter(user=user).exists()
    assert AuditEntry.objects.about(user).first().action == "role.revoked"


def test_a_role_of_one_tenant_is_not_held_in_another(system):
    role = rbac.create_role("Nights", actor=system, tenant=make.tenant())

    with pytest.raises(Invalid, match="another tenant"):
        rbac.assign_role(role, actor=system, user=make.user(), tenant=make.tenant())
    with pytest.raises(Invalid, match="another tenant"):
        rbac.assign_role(role, actor=system, user=make.user())


def test_the_database_holds_the_folder_of_an_assignment_in_its_tenant():
    elsewhere = make.folder()
    role, person, here = builtin("Viewer"), make.user(), make.tenant()

    with pytest.raises(IntegrityError, match="role_assignment_same_tenant"):
        write_down(RoleAssignment(role=role, user=person, tenant=here, folder=elsewhere))


@transaction.atomic
def write_down(row):
    """Store a row as whoever goes around the services, and let the database look at it."""
    row.save()
    connection.check_constraints()


def test_a_service_account_holds_roles_in_its_own_tenant_only(system):
    account = accounts.create_service_account(make.tenant(), actor=system, name="sap")

    with pytest.raises(Invalid, match="own tenant"):
        rbac.assign_role(builtin("Viewer"), actor=system, user=account, tenant=make.tenant())


def test_nobody_hands_out_what_they_do_not_hold_there():
    tenant = make.tenant()
    actor = keeper("jobs.view_job", inside=tenant)

    rbac.create_role("Mine", actor=actor, tenant=tenant, permissions=named("jobs.view_job"))
    with pytest.raises(NotAllowed, match=r"jobs\.cancel_job"):
        rbac.create_role("More", actor=actor, tenant=tenant, permissions=named("jobs.cancel_job"))
    with pytest.raises(NotAllowed):
        rbac.assign_role(builtin("Operator"), actor=actor, user=make.user(), tenant=tenant)


def test_who_keeps_roles_does_not_thereby_hand_out_everything():
    tenant = make.tenant()

    with pytest.raises(NotAllowed, match="holds everything"):
        rbac.assign_role(builtin("Administrator"), actor=keeper(inside=tenant), user=make.user(), tenant=tenant)


def test_an_administrator_of_a_tenant_hands_out_everything_there_and_nowhere_else(system):
    user, tenant = make.user(), make.tenant()
    rbac.assign_role(builtin("Administrator"), actor=system, user=user, tenant=tenant)
    administrator = Actor.person(user)

    assert rbac.assign_role(builtin("Administrator"), actor=administrator, user=make.user(), tenant=tenant)
    assert rbac.assign_role(builtin("Administrator"), actor=administrator, user=make.user(), folder=make.folder(tenant))
    with pytest.raises(NotAllowed):
        rbac.assign_role(builtin("Administrator"), actor=administrator, user=make.user(), tenant=make.tenant())
    with pytest.raises(NotAllowed):
        rbac.assign_role(builtin("Administrator"), actor=administrator, user=make.user())


def test_a_folder_s_keeper_does_not_hand_out_roles_in_the_whole_tenant(system):
    user, tenant = make.user(), make.tenant()
    rbac.assign_role(builtin("Administrator"), actor=system, user=user, folder=make.folder(tenant))

    with pytest.raises(NotAllowed):
        rbac.assign_role(builtin("Viewer"), actor=Actor.person(user), user=make.user(), tenant=tenant)


@pytest.mark.parametrize("permission", ["robots.view_robot", "jobs.add_execution", "nonsense"])
def test_a_permission_on_another_kind_of_thing_cannot_be_shared(system, permission):
    with pytest.raises(Invalid, match="permission"):
        rbac.share_object(make.job(), actor=system, user=make.user(), permission=permission)


def test_a_service_account_of_another_tenant_is_given_no_object(system):
    account = accounts.create_service_account(make.tenant(), actor=system, name="sap")

    with pytest.raises(Invalid, match="own tenant"):
        rbac.share_object(make.job(), actor=system, user=account, permission="jobs.view_job")


@pytest.mark.parametrize(
    "operation",
    [
        lambda actor: rbac.ensure_builtin_roles(actor=actor),
        lambda actor: rbac.create_role("x", actor=actor),
        lambda actor: rbac.update_role(
            rbac.create_role("x", actor=make.SYSTEM), actor=actor, name="y", description="", permissions=[]
        ),
        lambda actor: rbac.delete_role(rbac.create_role("x", actor=make.SYSTEM), actor=actor),
        lambda actor: rbac.assign_role(builtin("Viewer"), actor=actor, user=make.user()),
        lambda actor: rbac.revoke_role(
            rbac.assign_role(builtin("Viewer"), actor=make.SYSTEM, user=make.user()), actor=actor
        ),
        lambda actor: rbac.share_object(make.job(), actor=actor, user=make.user(), permission="jobs.view_job"),
        lambda actor: rbac.unshare_object(make.job(), actor=actor, user=make.user(), permission="jobs.view_job"),
    ],
)
def test_a_tenant_s_keeper_has_no_say_about_the_installation_or_others(operation):
    with pytest.raises(NotAllowed):
        operation(keeper("jobs.view_job", inside=make.tenant()))
