"""Saying who holds which role where and until when, and sharing single objects."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Permission
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from guardian.shortcuts import assign_perm, remove_perm

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Invalid
from apps.rbac.models import Group, GroupObjectPermission, Role, RoleAssignment
from apps.rbac.services._levels import one_holder, refuse_more_than_own, refuse_outside, refuse_sharing
from apps.rbac.services.questions import EVERYWHERE, require


@transaction.atomic
def assign_role(
    role: Role,
    *,
    actor: Actor,
    user: Any | None = None,
    group: Group | None = None,
    tenant: Any | None = None,
    folder: Any | None = None,
    expires_at: datetime | None = None,
) -> RoleAssignment:
    """Let a user or a group hold ``role`` everywhere, in a tenant, or in a folder and below, until it expires.

    Repeating it changes nothing but when it ends.
    """
    require(actor, "rbac.add_roleassignment", folder or tenant or EVERYWHERE)
    tenant = folder.tenant if folder is not None else tenant
    holder, field = one_holder(user, group)
    if role.tenant_id is not None and (tenant is None or role.tenant_id != tenant.pk):
        raise Invalid.field("role", "this role belongs to another tenant.")
    refuse_outside(holder, field, tenant.pk if tenant else None)
    if expires_at is not None and expires_at <= timezone.now():
        raise Invalid.field("expires_at", "this has passed already; name a moment to come.")
    place = folder or tenant or EVERYWHERE
    wanted = role.permissions.select_related("content_type")
    refuse_more_than_own(actor, wanted, place, grants_all=role.grants_all, until=expires_at)
    assignment, made = RoleAssignment.objects.select_for_update().get_or_create(
        user=user, group=group, role=role, tenant=tenant, folder=folder, defaults={"expires_at": expires_at}
    )
    before = None if made else _facts(assignment)
    if not made and assignment.expires_at == expires_at:
        return assignment
    if not made:
        _move_end(assignment, actor, place, expires_at)
    audit.record(
        actor,
        "role.assigned",
        holder,
        before=before,
        after=_facts(assignment),
        tenant_id=assignment.tenant_id,
    )
    return assignment


@transaction.atomic
def revoke_role(assignment: RoleAssignment, *, actor: Actor) -> None:
    """Take a role away from its holder."""
    require(actor, "rbac.delete_roleassignment", assignment.folder or assignment.tenant or EVERYWHERE)
    _note_end(assignment, actor, "role.revoked")
    assignment.delete()


@transaction.atomic
def replace_roles(user: Any, *, actor: Actor, tenant: Any, roles: Iterable[Role]) -> list[RoleAssignment]:
    """Let a user hold these roles in the whole of a tenant, and no others; what they hold elsewhere stays."""
    require(actor, "rbac.add_roleassignment", tenant)
    wanted = {role.pk: role for role in roles}
    held = RoleAssignment.objects.filter(user=user, tenant=tenant, folder=None).select_related("role", "tenant")
    for assignment in held:
        if wanted.pop(assignment.role_id, None) is None:
            revoke_role(assignment, actor=actor)
    for role in wanted.values():
        assign_role(role, actor=actor, user=user, tenant=tenant)
    return list(RoleAssignment.objects.filter(user=user, tenant=tenant, folder=None).select_related("role"))


@transaction.atomic
def end_expired_assignments(*, actor: Actor, limit: int) -> int:
    """Clear away assignments whose time is over, and write down that they ended; returns how many there were.

    They have given nothing since their end, by the clock of the database: this only tidies up.
    """
    require(actor, "rbac.delete_roleassignment", EVERYWHERE)
    over = RoleAssignment.objects.select_for_update(skip_locked=True, of=("self",)).filter(expires_at__lte=Now())
    ended = list(over.select_related("role", "user", "group", "tenant", "folder").order_by("expires_at")[:limit])
    for assignment in ended:
        _note_end(assignment, actor, "role.expired")
    RoleAssignment.objects.filter(pk__in=[one.pk for one in ended]).delete()
    return len(ended)


@transaction.atomic
def share_object(
    obj: Any, *, actor: Actor, permission: str, user: Any | None = None, group: Group | None = None
) -> None:
    """Give a user or a group one permission on one object."""
    require(actor, permission, obj)
    refuse_sharing(obj, actor, permission)
    holder, field = one_holder(user, group)
    _refuse_unfit(obj, permission)
    refuse_outside(holder, field, obj.tenant_id)
    if group is None:
        assign_perm(permission, user, obj)
    else:
        GroupObjectPermission.objects.get_or_create(**_of_group(group, permission, obj))
    audit.record(actor, "object.shared", obj, after={field: _called(holder), "permission": permission})


@transaction.atomic
def unshare_object(
    obj: Any, *, actor: Actor, permission: str, user: Any | None = None, group: Group | None = None
) -> None:
    """Take one permission on one object away again."""
    require(actor, "rbac.delete_roleassignment", obj)
    holder, field = one_holder(user, group)
    if group is None:
        remove_perm(permission, user, obj)
    else:
        GroupObjectPermission.objects.filter(**_of_group(group, permission, obj)).delete()
    audit.record(actor, "object.unshared", obj, before={field: _called(holder), "permission": permission})


def _move_end(assignment: RoleAssignment, actor: Actor, place: Any, expires_at: datetime | None) -> None:
    """Let it end at another moment. To let it end sooner is to take away."""
    former = assignment.expires_at
    if expires_at is not None and (former is None or expires_at < former):
        require(actor, "rbac.delete_roleassignment", place)
    assignment.expires_at = expires_at
    assignment.save(update_fields=["expires_at"])


def _note_end(assignment: RoleAssignment, actor: Actor, action: str) -> None:
    audit.record(actor, action, assignment.holder, before=_facts(assignment), tenant_id=assignment.tenant_id)


def _facts(assignment: RoleAssignment) -> dict[str, Any]:
    facts: dict[str, Any] = {"role": assignment.role.name, "scope": assignment.scope}
    return facts if assignment.expires_at is None else facts | {"expires_at": assignment.expires_at.isoformat()}


def _refuse_unfit(obj: Any, permission: str) -> None:
    """Object permissions are those of the object's own kind."""
    app, _, codename = permission.partition(".")
    kind = obj._meta
    if app != kind.app_label or not codename.endswith(f"_{kind.model_name}"):
        raise Invalid.field("permission", f"“{permission}” is not a permission on a {kind.verbose_name}.")


def _of_group(group: Group, permission: str, obj: Any) -> dict[str, Any]:
    """Return the columns of a group's permission on an object."""
    app, _, codename = permission.partition(".")
    named = Permission.objects.filter(content_type__app_label=app, content_type__model=obj._meta.model_name)
    held = named.get(codename=codename)
    return {"group": group, "permission": held, "content_type": held.content_type, "object_pk": str(obj.pk)}


def _called(holder: Any) -> str:
    return holder.name if isinstance(holder, Group) else str(holder.get_username())
