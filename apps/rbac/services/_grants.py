"""What is granted to somebody: in their own name or through a group, and only while it lasts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Cast, Now
from guardian.models import UserObjectPermission

from apps.core import statements
from apps.rbac.models import GroupMember, GroupObjectPermission, Role, RoleAssignment


def held_by(user: Any) -> Q:
    """Return the condition on rows with a user and a group that they are of this user, or of a group they are in.

    The groups are read once for a question, whatever else it joins.
    """
    return Q(user_id=user) | Q(_through_groups(user))


def assignments_of(user: Any) -> models.QuerySet[RoleAssignment]:
    """Return the roles that somebody holds by now: ``user`` is a key, or the place of one in a worded statement."""
    return RoleAssignment.objects.filter(held_by(user), in_effect())


def in_effect() -> Q:
    """Return the condition that an assignment has not ended, by the clock of the database."""
    return Q(expires_at=None) | Q(expires_at__gt=Now())


def lasting(until: datetime | None) -> Q:
    """Return the condition that an assignment does not end before ``until``; ``None``: that it never ends."""
    return Q(expires_at=None) if until is None else Q(expires_at=None) | Q(expires_at__gte=until)


def having(permission: str) -> Q:
    """Return the condition on assignments that their role has the permission."""
    holding = Role.permissions.through.objects.filter(role_id=OuterRef("role_id"))
    return Q(role__grants_all=True) | Q(Exists(holding.filter(named(permission))))


def named(permission: str) -> Q:
    """Return the condition on ``permission`` rows: ``app.codename``, or ``app.*`` for any of an app."""
    app, _, codename = permission.partition(".")
    right_app = Q(permission__content_type__app_label=app)
    return right_app if codename == "*" else right_app & Q(permission__codename=codename)


def shared_with(user: Any, permission: str = "") -> tuple[models.QuerySet[Any], models.QuerySet[Any]]:
    """Return the object permissions (of that name) that somebody has: their own, and those of groups they are in."""
    wanted = named(permission) if permission else Q()
    own = UserObjectPermission.objects.filter(wanted, user_id=user)
    of_groups = GroupObjectPermission.objects.filter(wanted, Q(_through_groups(user)))
    return own, of_groups


def shared_ids(user: Any, permission: str, *, only: Any = None) -> models.QuerySet[Any]:
    """Return the keys of the objects on which somebody has an object permission, as one subquery; or ``only`` one."""
    of_one = {} if only is None else {"object_pk": str(only.pk)}
    own, of_groups = (
        one.filter(**of_one)
        .order_by()
        .annotate(shared_id=Cast("object_pk", models.UUIDField()))
        .values_list("shared_id", flat=True)
        for one in shared_with(user, permission)
    )
    united: models.QuerySet[Any] = own.union(of_groups)
    return united


def _through_groups(user: Any) -> statements.Among:
    groups = GroupMember.objects.filter(user_id=user).order_by().values("group_id")
    return statements.Among("group_id", ArraySubquery(groups))
