"""Why somebody may or may not: the grants that the questions of this app find, told one by one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.core.actors import Actor
from apps.rbac.models import Group, GroupMember, RoleAssignment
from apps.rbac.services import _grants
from apps.rbac.services.questions import (
    EVERYWHERE,
    allows,
    assignments_at,
    granting_at,
    require,
    visible_assignments,
    visible_groups,
)

GIVING = "rbac.add_roleassignment"


@dataclass(frozen=True, slots=True)
class Grant:
    """One thing that gives a permission: being a superuser, a role that is held, or sharing of the single object.

    What the one who asks may not look at is told without its particulars.
    """

    kind: str
    assignment: RoleAssignment | None = None
    group: Group | None = None
    is_hidden: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether somebody may, what gives it to them, or what is missing and who could give it."""

    permission: str
    is_allowed: bool
    grants: tuple[Grant, ...]
    missing: str = ""
    #: The keys of users who could give it, of whom the one who asks may not know all.
    givers: frozenset[UUID] = frozenset()


def explain(user: Any, *, actor: Actor, obj: Any, permissions: Iterable[str]) -> list[Answer]:
    """Say for each permission why ``user`` may do it to ``obj``, or why not. Everybody may ask about themselves.

    The answer is that of ``allows``, and the reasons come from the same look-ups.
    """
    if actor.user != user:
        require(actor, "rbac.view_roleassignment", obj)
    return [_answer(user, actor, obj, permission) for permission in permissions]


def _answer(user: Any, asker: Actor, obj: Any, permission: str) -> Answer:
    if not user.is_active:
        return Answer(permission, False, (), f"{user} is disabled: nothing is theirs to do until they are enabled.")
    person = Actor.person(user)
    if allows(person, permission, obj):
        return Answer(permission, True, tuple(_grants_of(person, asker, obj, permission)))
    where = "anywhere above it" if obj is not EVERYWHERE else "everywhere"
    missing = f"No role that {user} holds there or {where}, and nothing shared with them, has {permission}."
    return Answer(permission, False, (), missing, frozenset(_givers(obj, permission)))


def _grants_of(person: Actor, asker: Actor, obj: Any, permission: str) -> Iterable[Grant]:
    if person.user.is_superuser:
        yield Grant("superuser")
    known = set(visible_assignments(asker).filter(_grants.held_by(person.user.pk)).values_list("pk", flat=True))
    held = granting_at(person, permission, obj).select_related("role", "group", "tenant", "folder")
    for one in held.order_by("role__name", "pk"):
        yield Grant("role", one, one.group) if one.pk in known else Grant("role", is_hidden=True)
    if obj is EVERYWHERE:
        return
    own, of_groups = _grants.shared_with(person.user.pk, permission)
    if own.filter(object_pk=str(obj.pk)).exists():
        yield Grant("object")
    groups = {one.pk for one in visible_groups(asker)}
    for share in of_groups.filter(object_pk=str(obj.pk)).select_related("group"):
        is_known = share.group_id in groups
        yield Grant("object", group=share.group if is_known else None, is_hidden=not is_known)


def _givers(obj: Any, permission: str) -> set[UUID]:
    """Return who holds the permission there and may give roles there too."""
    return _holders(GIVING, obj) & _holders(permission, obj)


def _holders(permission: str, obj: Any) -> set[UUID]:
    held = assignments_at(permission, obj)
    direct = held.exclude(user=None).values_list("user_id", flat=True)
    members = GroupMember.objects.filter(group__in=held.exclude(group=None).values("group_id"))
    return {*direct, *members.values_list("user_id", flat=True)}
