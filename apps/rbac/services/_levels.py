"""Nobody grants above their own level, for longer than they have it, or beyond where a holder belongs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import chain
from typing import Any

from django.contrib.auth.models import Permission
from django.db.models import Q

from apps.core.actors import Actor
from apps.core.errors import Invalid, NotAllowed
from apps.rbac.models import Group, GroupObjectPermission, RoleAssignment
from apps.rbac.services import _grants
from apps.rbac.services.questions import EVERYWHERE, allows, holds_everything, lasts, require


def refuse_more_than_own(
    actor: Actor,
    wanted: Iterable[Permission],
    place: Any,
    *,
    grants_all: bool = False,
    until: datetime | None = None,
) -> None:
    """Raise ``NotAllowed`` unless the actor holds all this in the same place, and as long as it shall hold."""
    if actor.is_almighty:
        return
    if grants_all and not holds_everything(actor, place, until):
        raise NotAllowed("Only who holds everything here, and as long, may hand out everything.", actor=actor)
    for permission in wanted:
        name = name_of(permission)
        if not lasts(actor, name, place, until):
            words = "for so long yourself" if allows(actor, name, place) else "here yourself"
            raise NotAllowed(f"You do not hold {name} {words}.", permission=name, actor=actor)


def refuse_giving_all_of(group: Group, actor: Actor) -> None:
    """Raise ``NotAllowed`` unless the actor could give each thing that the group gives to whoever joins it."""
    for held in RoleAssignment.objects.filter(_grants.in_effect(), group=group).select_related("role", "tenant"):
        place = held.folder or held.tenant or EVERYWHERE
        require(actor, "rbac.add_roleassignment", place)
        wanted = held.role.permissions.select_related("content_type")
        refuse_more_than_own(actor, wanted, place, grants_all=held.role.grants_all, until=held.expires_at)
    for one in GroupObjectPermission.objects.filter(group=group).select_related("permission__content_type"):
        model: Any = one.permission.content_type.model_class()
        row = model._base_manager.filter(pk=one.object_pk).first()
        if row is not None:
            refuse_sharing(row, actor, name_of(one.permission))


def refuse_acting_as(actor: Actor, user: Any, tenant: Any, *, permitted: Iterable[str] | None = None) -> None:
    """Raise ``NotAllowed`` unless the actor holds all that ``user`` holds in a tenant, in the same place and as long.

    Asked before the actor is given a credential of that user. ``permitted`` are the permissions that the credential is
    narrowed to; without it, every one counts.
    """
    counted = None if permitted is None else set(permitted)
    held = _grants.assignments_of(user.pk).filter(Q(tenant=None) | Q(tenant=tenant))
    for one in held.select_related("role", "tenant", "folder"):
        every = Permission.objects.all() if one.role.grants_all else one.role.permissions.all()
        wanted = _among(every.select_related("content_type"), counted)
        everything = one.role.grants_all and counted is None
        refuse_more_than_own(
            actor, () if everything else wanted, one.folder or tenant, grants_all=everything, until=one.expires_at
        )
    for shared in chain(*_grants.shared_with(user.pk)):
        row = shared.permission.content_type.model_class()._base_manager.filter(pk=shared.object_pk).first()
        for permission in _among([shared.permission], counted) if row is not None else ():
            if not allows(actor, name_of(permission), row):
                raise NotAllowed(f"You do not hold {name_of(permission)} on {row} yourself.", actor=actor)


def refuse_sharing(row: Any, actor: Actor, permission: str) -> None:
    """Raise ``NotAllowed`` unless the actor may hand out one permission on one row."""
    require(actor, permission, row)
    require(actor, "rbac.add_roleassignment", row)
    if not (lasts(actor, permission, row, None) or _is_shared_with(actor, permission, row)):
        raise NotAllowed(f"You do not hold {permission} for so long yourself.", permission=permission, actor=actor)


def refuse_outside(holder: Any, field: str, tenant_id: Any) -> None:
    """Service accounts, and groups of one tenant, are given something in their own tenant only. Raises ``Invalid``."""
    if holder.tenant_id is not None and holder.tenant_id != tenant_id:
        what = "a group of one tenant" if isinstance(holder, Group) else "a service account"
        raise Invalid.field(field, f"{what} holds roles and rights in its own tenant only.")


def one_holder(user: Any, group: Group | None) -> tuple[Any, str]:
    """Return who shall hold something, and the field that names them. Raises ``Invalid`` unless it is exactly one."""
    if (user is None) == (group is None):
        raise Invalid.field("user", "name either a user or a group.")
    return (user, "user") if group is None else (group, "group")


def name_of(permission: Permission) -> str:
    """Return what a permission is called everywhere: ``app.codename``."""
    return f"{permission.content_type.app_label}.{permission.codename}"


def _among(permissions: Iterable[Permission], names: set[str] | None) -> list[Permission]:
    return [one for one in permissions if names is None or name_of(one) in names]


def _is_shared_with(actor: Actor, permission: str, row: Any) -> bool:
    return actor.user is not None and _grants.shared_ids(actor.user.pk, permission, only=row).exists()
