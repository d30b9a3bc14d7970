"""May this actor do that to this? And: which of these may it see?

The answer comes from role assignments (everywhere, in a tenant, in a folder and below) and from object permissions.
Superusers and the system may do everything; a credential bound to a tenant never reaches beyond it, whoever holds it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, reduce
from operator import or_
from typing import Any, Final, TypeVar
from uuid import UUID

from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, ExpressionWrapper, F, OuterRef, Q

from apps.core import statements
from apps.core.actors import Actor
from apps.core.errors import NotAllowed
from apps.rbac.models import Group, GroupMember, Role, RoleAssignment
from apps.rbac.services import _bounds, _grants, _workers

QuerySetT = TypeVar("QuerySetT", bound="models.QuerySet[Any]")


class _Everywhere:
    """The object of acts that concern the whole installation, such as making a tenant."""

    def __str__(self) -> str:
        return "the installation"


EVERYWHERE: Final = _Everywhere()

#: A role that grants everything grants this too; asked first, because it heeds what a credential is bound to.
_FOR_HOLDERS_OF_ALL = "rbac.add_roleassignment"

#: How permissions begin that change nothing.
_READING = ("view_", "download_")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row is: its tenant, and the paths of the folders it is in (none: in the tenant as such)."""

    tenant_id: UUID | None
    paths: tuple[str, ...] = ()


def require(actor: Actor, permission: str, obj: Any) -> None:
    """Raise ``NotAllowed`` unless the actor may do ``permission`` (``app.codename``) to ``obj``.

    For a create, ``obj`` is the folder or tenant it happens in; for acts on the whole installation ``EVERYWHERE``. What
    says that it ``lies_in`` another row is where that is.
    In a suspended tenant nothing may be changed until it is resumed, whoever asks.
    """
    if not allows(actor, permission, obj):
        raise NotAllowed(
            f"{actor.name} may not {_in_words(permission)} here. {_missing(actor, permission, obj)}",
            permission=permission,
            target=None if obj is EVERYWHERE else obj,
            actor=actor,
        )
    if not permission.partition(".")[2].startswith(_READING):
        refuse_suspended(actor, obj)


def refuse_suspended(actor: Actor, obj: Any) -> None:
    """Raise ``NotAllowed`` where ``obj`` is in a suspended tenant. The system settles things there all the same."""
    tenant_id = None if obj is EVERYWHERE else getattr(obj, "tenant_id", None)
    if tenant_id is None or actor.is_system or actor.is_robot or actor.is_job:
        return  # Robots and jobs prove themselves with a credential that no suspended tenant's has.
    if _suspended().exists(tenant=tenant_id):
        raise NotAllowed("This tenant is suspended.", code="tenant_suspended", target=obj, actor=actor)


def allows(actor: Actor, permission: str, obj: Any = None) -> bool:
    """Say whether the actor may. Without an object it means "somewhere", which only shows or hides a door."""
    if actor.is_system:
        return True
    if actor.is_robot or actor.is_job:
        return _workers.allows(actor, permission, obj)
    user = actor.user
    if user is None or not user.is_active or (actor.bounds is not None and not actor.bounds.permit(permission)):
        return False
    if obj is None:
        return user.is_superuser or _somewhere(actor, permission)
    if obj is EVERYWHERE:
        return actor.tenant_id is None and (
            user.is_superuser or _granting(actor, permission).filter(tenant=None, folder=None).exists()
        )
    place = _place_of(obj)
    if actor.tenant_id is not None and place.tenant_id not in (None, actor.tenant_id):
        return False
    if actor.bounds is not None and not actor.bounds.hold(place.paths):
        return False
    if user.is_superuser:
        return True
    return _granted_at(actor, permission, place) or _shared(actor, permission, obj)


def visible(queryset: QuerySetT, actor: Actor, permission: str) -> QuerySetT:
    """Narrow ``queryset`` to what the actor may see, within its one query."""
    if actor.is_system:
        return queryset
    if actor.is_robot or actor.is_job:
        narrowed: QuerySetT = _workers.visible(queryset, actor, permission)
        return narrowed
    user = actor.user
    if user is None or not user.is_active:
        return queryset.none()
    model: Any = queryset.model
    is_tenant = model._meta.label == "tenancy.Tenant"
    tenant_column = "pk" if is_tenant else "tenant_id"
    if actor.tenant_id is not None:
        queryset = queryset.filter(**{tenant_column: actor.tenant_id})
    if actor.bounds is not None and not is_tenant:
        queryset = _bounds.within(queryset, actor.bounds, permission)
    if user.is_superuser:
        return queryset
    granting = _grants.assignments_of(user.pk) if is_tenant else _granting(actor, permission)
    seen = Q(Exists(granting.filter(tenant=None, folder=None))) | Q(
        **{f"{tenant_column}__in": granting.filter(**({} if is_tenant else {"folder": None})).values("tenant_id")}
    )
    seen |= _bounds.in_folders(model, _folders_reached(granting))
    return queryset.filter(seen | Q(pk__in=_shared_ids(actor, permission)))


@dataclass(frozen=True, slots=True)
class Reach:
    """Where an actor holds a permission, place by place; nothing beside these is visible."""

    is_everywhere: bool = False
    tenants: tuple[UUID, ...] = ()
    folders: tuple[UUID, ...] = ()
    objects: tuple[UUID, ...] = ()
    #: The tenants that the folders are in.
    tenants_in_part: frozenset[UUID] = frozenset()

    def touches(self, tenant_id: UUID | None) -> bool:
        """Say whether anything of a tenant may be visible."""
        whole = self.is_everywhere or tenant_id in self.tenants
        return whole or tenant_id in self.tenants_in_part or bool(self.objects)


def reach(actor: Actor, permission: str) -> Reach:
    """Return the places in which the actor holds ``permission``; *everywhere* still lists the tenants.

    What ``visible`` says as one condition, said as a list: a page of a table of many millions of rows is read from
    each place by its own index, where the one condition would have to walk past everybody else's rows.
    """
    if not actor.is_system and (actor.user is None or not actor.user.is_active):
        return Reach()
    if actor.bounds is not None and not actor.bounds.permit(permission):
        return Reach()
    whole = tuple(tenants_where(actor, permission).values_list("pk", flat=True))
    if _is_almighty(actor):
        return Reach(actor.tenant_id is None, whole)
    folders = _folders_where(actor, permission).exclude(tenant_id__in=whole)
    shared = _shared_within(actor, permission)
    everywhere = allows(actor, permission, EVERYWHERE)
    in_part = dict(folders.values_list("pk", "tenant_id"))
    return Reach(everywhere, whole, tuple(in_part), tuple(shared), frozenset(in_part.values()))


def tenants_where(actor: Actor, permission: str) -> models.QuerySet[Any]:
    """Return the ids of the tenants in the whole of which the actor holds ``permission``, as a subquery."""
    tenants = apps.get_model("tenancy", "Tenant").objects.order_by()
    if actor.tenant_id is not None:
        tenants = tenants.filter(pk=actor.tenant_id)
    if actor.bounds is not None and (actor.bounds.folders is not None or not actor.bounds.permit(permission)):
        return tenants.none().values("pk")
    if actor.is_system or _is_superuser(actor):
        return tenants.values("pk")
    granting = _granting(actor, permission)
    everywhere = Exists(granting.filter(tenant=None, folder=None))
    here = Q(pk__in=granting.filter(folder=None).values("tenant_id"))
    return tenants.filter(Q(everywhere) | here).values("pk")


def visible_roles(actor: Actor) -> models.QuerySet[Role]:
    """Return the roles the actor may know: those of its tenants, and those of the whole installation."""
    if not allows(actor, "rbac.view_role"):
        return Role.objects.none()
    of_tenants = Q(tenant_id__in=tenants_where(actor, "rbac.view_role"))
    return Role.objects.filter(of_tenants | Q(tenant=None))


def visible_groups(actor: Actor) -> models.QuerySet[Group]:
    """Return the groups the actor may look at: of its tenants, of the installation for who may there, and its own."""
    known = visible(Group.objects.all(), actor, "rbac.view_group")
    if actor.user is None:
        return known
    own = GroupMember.objects.filter(user=actor.user)
    return Group.objects.filter(Q(pk__in=known.values("pk")) | Q(pk__in=own.values("group_id")))


def visible_members(actor: Actor) -> models.QuerySet[GroupMember]:
    """Return who is in the groups that the actor may look at, and in which the actor is itself."""
    known = visible(Group.objects.all(), actor, "rbac.view_group")
    own = Q() if actor.user is None else Q(user=actor.user)
    return GroupMember.objects.filter(Q(group__in=known.values("pk")) | own)


def visible_assignments(actor: Actor) -> models.QuerySet[RoleAssignment]:
    """Return who holds what in the places the actor may look into, and what the actor holds itself."""
    known = visible(RoleAssignment.objects.all(), actor, "rbac.view_roleassignment")
    own = Q() if actor.user is None else _grants.held_by(actor.user.pk)
    return RoleAssignment.objects.filter(Q(pk__in=known.values("pk")) | own)


def permissions_held(actor: Actor) -> models.QuerySet[Permission]:
    """Return what the actor holds anywhere, by a role or on a single object, in one query."""
    held = held_assignments(actor)
    everything = Exists(held.filter(role__grants_all=True))
    by_role = Role.permissions.through.objects.filter(role_id__in=held.values("role_id")).values("permission_id")
    shared = [Q(pk__in=one.order_by().values("permission_id")) for one in _grants.shared_with(actor.user.pk)]
    return Permission.objects.filter(reduce(or_, shared, Q(everything) | Q(pk__in=by_role)))


def lasts(actor: Actor, permission: str, place: Any, until: datetime | None) -> bool:
    """Say whether the actor may in a place now, and by roles that do not end before ``until`` (``None``: never).

    So nobody makes lasting what they hold for an hour.
    """
    if not allows(actor, permission, place):
        return False
    if actor.is_system or _is_superuser(actor):
        return True
    return granting_at(actor, permission, place).filter(_grants.lasting(until)).exists()


def granting_at(actor: Actor, permission: str, obj: Any) -> models.QuerySet[RoleAssignment]:
    """Return the actor's assignments that give it a permission on a row, in a place, or ``EVERYWHERE``."""
    return _held_at(_granting(actor, permission), Place(None) if obj is EVERYWHERE else _place_of(obj))


def assignments_at(permission: str, obj: Any) -> models.QuerySet[RoleAssignment]:
    """Return everybody's assignments that give a permission there."""
    everybodys = RoleAssignment.objects.filter(_grants.in_effect()).filter(_grants.having(permission))
    return _held_at(everybodys, Place(None) if obj is EVERYWHERE else _place_of(obj))


def holds_everything(actor: Actor, place: Any, until: datetime | None) -> bool:
    """Say whether the actor holds a role that grants everything, in ``place`` or above it, as long as ``until``."""
    if _is_almighty(actor):
        return actor.tenant_id in (None, getattr(place, "tenant_id", None))
    if actor.user is None or actor.is_narrowed or not allows(actor, _FOR_HOLDERS_OF_ALL, place):
        return False
    where = Place(None) if place is EVERYWHERE else _place_of(place)
    return _held_at(held_assignments(actor).filter(_grants.lasting(until), role__grants_all=True), where).exists()


def _is_almighty(actor: Actor) -> bool:
    return actor.is_system or (_is_superuser(actor) and not actor.is_narrowed)


def _is_superuser(actor: Actor) -> bool:
    return bool(actor.user is not None and actor.user.is_active and actor.user.is_superuser)


def _folders_where(actor: Actor, permission: str) -> models.QuerySet[Any]:
    """Return the folders in which the actor holds ``permission``, other than by holding it in all of a tenant."""
    bounds = actor.bounds.folders if actor.bounds is not None else None
    folders = _folders_reached(_granting(actor, permission))
    if bounds is not None:
        within = apps.get_model("tenancy", "Folder").objects.order_by().filter(pk__in=_bounds.folders_below(bounds))
        unbound = replace(actor, bounds=None)
        held = Q(tenant_id__in=tenants_where(unbound, permission)) | Q(pk__in=folders)
        folders = within.filter(held).values("pk")
    return folders if actor.tenant_id is None else folders.filter(tenant_id=actor.tenant_id)


def _shared_within(actor: Actor, permission: str) -> models.QuerySet[Any]:
    """Return the ids of the single objects on which the actor holds ``permission``."""
    shared = _shared_ids(actor, permission)
    if not actor.is_narrowed:
        return shared
    assert actor.bounds is not None
    app, _, codename = permission.partition(".")
    rows = apps.get_model(app, codename.partition("_")[2])._base_manager.filter(pk__in=shared)
    within: models.QuerySet[Any] = _bounds.within(rows, actor.bounds, permission).values_list("pk", flat=True)
    return within


def held_assignments(actor: Actor) -> models.QuerySet[RoleAssignment]:
    """Return what the actor holds by now, itself and through groups, as far as its credential reaches."""
    if actor.user is None:
        return RoleAssignment.objects.none()
    held = _grants.assignments_of(actor.user.pk)
    return held if actor.tenant_id is None else held.filter(Q(tenant=None) | Q(tenant_id=actor.tenant_id))


def _granting(actor: Actor, permission: str) -> models.QuerySet[RoleAssignment]:
    """Return the actor's assignments whose role has the permission."""
    return _grants.assignments_of(actor.user.pk).filter(_grants.having(permission))


def _somewhere(actor: Actor, permission: str) -> bool:
    granting = _granting(actor, permission)
    if actor.tenant_id is not None:
        granting = granting.filter(Q(tenant=None) | Q(tenant_id=actor.tenant_id))
    return granting.exists() or _shared_ids(actor, permission).exists()


def _granted_at(actor: Actor, permission: str, place: Place) -> bool:
    above = statements.array(UUID(part) for path in place.paths for part in path.strip("/").split("/"))
    return _granted_anywhere_in(permission).exists(user=actor.user.pk, tenant=place.tenant_id, above=above)


@cache
def _granted_anywhere_in(permission: str) -> statements.Worded[RoleAssignment]:
    """Word, once for each permission, the question whether a user holds it at a place."""
    key = models.UUIDField()
    folder_above = statements.Among("folder_id", statements.Slot("above", ArrayField(key)))
    here = Q(tenant=None) | Q(tenant_id=statements.Slot("tenant", key)) & (Q(folder=None) | Q(folder_above))
    granting = _grants.assignments_of(statements.Slot("user", key)).filter(_grants.having(permission))
    return statements.Worded(lambda: granting.filter(here))


@cache
def _suspended() -> statements.Worded[Any]:
    tenant = statements.Slot("tenant", models.UUIDField())
    return statements.Worded(lambda: apps.get_model("tenancy", "Tenant").objects.filter(pk=tenant, status="suspended"))


def _held_at(granting: models.QuerySet[RoleAssignment], place: Place) -> models.QuerySet[RoleAssignment]:
    """Return those of the assignments that reach a place: everywhere, its tenant, a folder it is in or below."""
    here = Q(tenant=None) | Q(tenant_id=place.tenant_id, folder=None)
    for path in place.paths:
        above = [UUID(part) for part in path.strip("/").split("/")]
        here |= Q(tenant_id=place.tenant_id, folder_id__in=above)
    return granting.filter(here)


def _folders_reached(granting: models.QuerySet[RoleAssignment]) -> models.QuerySet[Any]:
    """Return the folders at or below those of the assignments, as a subquery."""
    folders = apps.get_model("tenancy", "Folder").objects.order_by()
    below = ExpressionWrapper(OuterRef("path"), output_field=models.CharField())
    above = granting.exclude(folder=None).annotate(below=below)
    return folders.filter(Exists(above.filter(below__startswith=F("folder__path")))).values("pk")


def _shared(actor: Actor, permission: str, obj: Any) -> bool:
    return _grants.shared_ids(actor.user.pk, permission, only=obj).exists()


def _shared_ids(actor: Actor, permission: str) -> models.QuerySet[Any]:
    return _grants.shared_ids(actor.user.pk, permission)


def _place_of(obj: Any) -> Place:
    owner = getattr(obj, "lies_in", None)
    if owner is not None:
        return _place_of(owner)
    label = obj._meta.label
    if label == "tenancy.Folder":
        return Place(obj.tenant_id, (obj.path,))
    kind: Any = type(obj)
    column = _bounds.folder_column(kind)
    if column == "folder_id" and hasattr(obj, "folder"):
        return Place(obj.tenant_id, (obj.folder.path,) if obj.folder_id else ())
    if column == "folders":
        return Place(obj.tenant_id, tuple(obj.folders.values_list("path", flat=True)))
    return Place(getattr(obj, "tenant_id", None))


def _missing(actor: Actor, permission: str, obj: Any) -> str:
    """Say what would have to be otherwise for the actor to be allowed."""
    if actor.bounds is not None and not actor.bounds.permit(permission):
        return f"The scopes of this credential leave out {permission}: use one that has it."
    if actor.is_narrowed and allows(replace(actor, bounds=None), permission, obj):
        return "This credential works in other folders only."
    return f"It takes the permission {permission} on {obj}: ask an administrator for a role that has it."


def _in_words(permission: str) -> str:
    return permission.partition(".")[2].replace("_", " ")
