"""Making roles and saying who holds them where."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.db.models import Q
from guardian.shortcuts import assign_perm, remove_perm

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed
from apps.rbac.models import Role, RoleAssignment
from apps.rbac.rules import OPERATIONAL_APPS
from apps.rbac.services.questions import EVERYWHERE, allows, holds_everything, require

_BUILTIN: dict[str, tuple[str, Q | None]] = {
    "Administrator": ("Everything, within the scope it is given for.", None),
    "Developer": (
        "Publishes packages, makes processes, queues and triggers, and runs them.",
        Q(content_type__app_label__in=("packages", "processes", "queues", "jobs", "triggers"))
        | Q(content_type__app_label__in=("robots", "tenancy", "events"), codename__startswith="view_")
        | Q(
            content_type__app_label="assets",
            codename__in=("view_asset", "add_asset", "change_asset", "set_asset", "use_asset", "delete_asset"),
        ),
    ),
    "Operator": (
        "Runs, stops and retries jobs, looks after robots and after what waits in queues.",
        Q(content_type__app_label__in=("jobs",))
        | Q(
            content_type__app_label="robots",
            codename__in=("change_robot", "view_robot", "view_machine", "view_enrolmentkey"),
        )
        | Q(content_type__app_label="processes", codename__in=("view_process", "run_process", "view_namedlimit"))
        | Q(content_type__app_label="tenancy", codename__in=("add_brake", "lift_brake"))
        | Q(content_type__app_label="queues", codename__startswith="view_")
        | Q(
            content_type__app_label="queues",
            codename__in=(
                "pause_queue",
                "add_queueitem",
                "requeue_queueitem",
                "review_queueitem",
                "delete_queueitem",
                "add_itemfile",
                "delete_itemfile",
                "add_storedfile",
                "delete_storedfile",
            ),
        )
        | Q(content_type__app_label="triggers", codename__in=("fire_trigger", "enable_trigger"))
        | Q(content_type__app_label="triggers", codename__startswith="view_")
        | Q(content_type__app_label__in=("packages", "assets", "tenancy", "events"), codename__startswith="view_"),
    ),
    "Viewer": (
        "Looks, and changes nothing.",
        Q(content_type__app_label__in=OPERATIONAL_APPS, codename__startswith="view_")
        & ~Q(content_type__app_label__in=("accounts", "audit")),
    ),
}


@transaction.atomic
def ensure_builtin_roles(*, actor: Actor) -> None:
    """Bring the built-in roles in line with the permissions there are; safe to repeat. Run after each migrate."""
    require(actor, "rbac.change_role", EVERYWHERE)
    for name, (description, wanted) in _BUILTIN.items():
        role, _ = Role.objects.update_or_create(
            tenant=None,
            name=name,
            defaults={"description": description, "is_builtin": True, "grants_all": wanted is None},
        )
        if wanted is not None:
            role.permissions.set(Permission.objects.filter(wanted))


@transaction.atomic
def create_role(
    name: str,
    *,
    actor: Actor,
    tenant: Any | None = None,
    description: str = "",
    permissions: Iterable[Permission] = (),
) -> Role:
    """Make a role, for one tenant or (``None``) for the installation. Raises ``Conflict`` if the name is taken."""
    require(actor, "rbac.add_role", tenant or EVERYWHERE)
    wanted = list(permissions)
    _refuse_more_than_own(actor, wanted, tenant or EVERYWHERE)
    role = Role(name=name.strip(), tenant=tenant, description=description)
    _save_named(role)
    role.permissions.set(wanted)
    audit.record(actor, "role.created", role, after=_facts(role))
    return role


@transaction.atomic
def update_role(role: Role, *, actor: Actor, name: str, description: str, permissions: Iterable[Permission]) -> Role:
    """Change what a role is called and may do. Built-in roles cannot be changed."""
    require(actor, "rbac.change_role", role.tenant or EVERYWHERE)
    _refuse_builtin(role)
    wanted = list(permissions)
    _refuse_more_than_own(actor, wanted, role.tenant or EVERYWHERE)
    before = _facts(role)
    role.name, role.description = name.strip(), description
    _save_named(role)
    role.permissions.set(wanted)
    audit.record(actor, "role.updated", role, before=before, after=_facts(role))
    return role


@transaction.atomic
def delete_role(role: Role, *, actor: Actor) -> None:
    """Delete a role nobody holds. Raises ``Conflict`` while somebody does."""
    require(actor, "rbac.delete_role", role.tenant or EVERYWHERE)
    _refuse_builtin(role)
    if role.assignments.exists():
        raise Conflict(f"“{role.name}” is still held by somebody. Take it away from them first.")
    audit.record(actor, "role.deleted", role, before=_facts(role))
    role.delete()


@transaction.atomic
def assign_role(
    role: Role, *, actor: Actor, user: Any, tenant: Any | None = None, folder: Any | None = None
) -> RoleAssignment:
    """Let ``user`` hold ``role`` everywhere, in a tenant, or in a folder and below. Repeating it changes nothing."""
    require(actor, "rbac.add_roleassignment", folder or tenant or EVERYWHERE)
    tenant = folder.tenant if folder is not None else tenant
    if role.tenant_id is not None and (tenant is None or role.tenant_id != tenant.pk):
        raise Invalid.field("role", "this role belongs to another tenant.")
    if user.tenant_id is not None and (tenant is None or user.tenant_id != tenant.pk):
        raise Invalid.field("user", "a service account holds roles in its own tenant only.")
    place = folder or tenant or EVERYWHERE
    _refuse_more_than_own(actor, list(role.permissions.all()), place, grants_all=role.grants_all)
    assignment, made = RoleAssignment.objects.get_or_create(user=user, role=role, tenant=tenant, folder=folder)
    if made:
        audit.record(
            actor,
            "role.assigned",
            user,
            after={"role": role.name, "scope": assignment.scope},
            tenant_id=tenant.pk if tenant else None,
        )
    return assignment


@transaction.atomic
def revoke_role(assignment: RoleAssignment, *, actor: Actor) -> None:
    """Take a role away from its holder."""
    require(actor, "rbac.delete_roleassignment", assignment.folder or assignment.tenant or EVERYWHERE)
    audit.record(
        actor,
        "role.revoked",
        assignment.user,
        before={"role": assignment.role.name, "scope": assignment.scope},
        tenant_id=assignment.tenant_id,
    )
    assignment.delete()


@transaction.atomic
def share_object(obj: Any, *, actor: Actor, user: Any, permission: str) -> None:
    """Give ``user`` one permission on one object."""
    require(actor, permission, obj)
    require(actor, "rbac.add_roleassignment", obj)
    _refuse_unfit(obj, user, permission)
    assign_perm(permission, user, obj)
    audit.record(actor, "object.shared", obj, after={"user": user.get_username(), "permission": permission})


@transaction.atomic
def unshare_object(obj: Any, *, actor: Actor, user: Any, permission: str) -> None:
    """Take one permission on one object away again."""
    require(actor, "rbac.delete_roleassignment", obj)
    remove_perm(permission, user, obj)
    audit.record(actor, "object.unshared", obj, before={"user": user.get_username(), "permission": permission})


def _save_named(role: Role) -> None:
    if not role.name:
        raise Invalid.field("name", "a role needs a name.")
    try:
        with transaction.atomic():
            role.save()
    except IntegrityError as error:
        raise Conflict(f"There is a role “{role.name}” already.", code="name_taken", field="name") from error


def _refuse_builtin(role: Role) -> None:
    if role.is_builtin:
        raise Conflict(f"“{role.name}” is built in and cannot be changed. Make a role of your own.")


def _refuse_unfit(obj: Any, user: Any, permission: str) -> None:
    """Object permissions are those of the object's own kind, and service accounts stay in their tenant."""
    app, _, codename = permission.partition(".")
    kind = obj._meta
    if app != kind.app_label or not codename.endswith(f"_{kind.model_name}"):
        raise Invalid.field("permission", f"“{permission}” is not a permission on a {kind.verbose_name}.")
    if user.tenant_id is not None and user.tenant_id != obj.tenant_id:
        raise Invalid.field("user", "a service account is given rights in its own tenant only.")


def _refuse_more_than_own(actor: Actor, wanted: list[Permission], place: Any, *, grants_all: bool = False) -> None:
    """Nobody hands out what they do not hold in the same place."""
    if actor.is_system or (actor.user is not None and actor.user.is_superuser):
        return
    if grants_all and not holds_everything(actor, place):
        raise NotAllowed("Only who holds everything here may hand out everything.", actor=actor)
    for permission in wanted:
        name = f"{permission.content_type.app_label}.{permission.codename}"
        if not allows(actor, name, place):
            raise NotAllowed(f"You do not hold {name} here yourself.", permission=name, actor=actor)


def _facts(role: Role) -> dict[str, Any]:
    codes = role.permissions.values_list("content_type__app_label", "codename")
    return {
        "name": role.name,
        "description": role.description,
        "permissions": sorted(f"{app}.{code}" for app, code in codes),
    }
