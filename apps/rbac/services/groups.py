"""Groups: who is in them, by hand or by what their sign-in tells."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import IntegrityError, transaction

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.columns import refuse_unfit
from apps.core.errors import Conflict, Invalid
from apps.rbac.models import Group, GroupMember
from apps.rbac.services._levels import refuse_giving_all_of, refuse_outside
from apps.rbac.services.questions import EVERYWHERE, require

#: A group answers to at most so many values.
MOST_CLAIMS = 50
_LONGEST_CLAIM = 200


@transaction.atomic
def create_group(
    name: str, *, actor: Actor, tenant: Any | None = None, description: str = "", claims: Iterable[str] = ()
) -> Group:
    """Make a group, of one tenant or (``None``) of the installation. Raises ``Conflict`` if the name is taken."""
    require(actor, "rbac.add_group", tenant or EVERYWHERE)
    group = Group(name=name.strip(), tenant=tenant, description=description, claims=_clean(claims))
    _save_named(group)
    audit.record(actor, "group.created", group, after=_facts(group))
    return group


@transaction.atomic
def update_group(group: Group, *, actor: Actor, name: str, description: str, claims: Iterable[str]) -> Group:
    """Change what a group is called, and which values of sign-ins make members.

    Who adds a value lets others in, so it takes what adding a member takes.
    """
    require(actor, "rbac.change_group", group.tenant or EVERYWHERE)
    wanted = _clean(claims)
    if set(wanted) - set(group.claims):
        refuse_giving_all_of(group, actor)
    before = _facts(group)
    group.name, group.description, group.claims = name.strip(), description, wanted
    _save_named(group)
    audit.record(actor, "group.updated", group, before=before, after=_facts(group))
    return group


@transaction.atomic
def delete_group(group: Group, *, actor: Actor) -> None:
    """Delete a group that gives nothing any more. Raises ``Conflict`` while it does."""
    require(actor, "rbac.delete_group", group.tenant or EVERYWHERE)
    if group.role_assignments.exists() or group.object_permissions.exists():
        raise Conflict(f"“{group.name}” still holds roles, or things are shared with it. Take them away first.")
    audit.record(actor, "group.deleted", group, before=_facts(group))
    group.delete()


@transaction.atomic
def add_member(group: Group, *, actor: Actor, user: Any) -> GroupMember:
    """Let somebody into a group. It takes the right to give each thing that the group gives; repeating it keeps them.

    Who was let in by their sign-in stays from now on, whatever the next one tells.
    """
    require(actor, "rbac.change_group", group.tenant or EVERYWHERE)
    if user.tenant_id is not None:
        refuse_outside(user, "user", group.tenant_id)
    refuse_giving_all_of(group, actor)
    member, made = GroupMember.objects.get_or_create(group=group, user=user)
    if made or member.is_claimed:
        GroupMember.objects.filter(pk=member.pk).update(is_claimed=False)
        member.is_claimed = False
        audit.record(actor, "group.member_added", group, after={"user": user.get_username()})
    return member


@transaction.atomic
def remove_member(member: GroupMember, *, actor: Actor) -> None:
    """Put somebody out of a group: they lose what it gave with their next request."""
    require(actor, "rbac.change_group", member.group.tenant or EVERYWHERE)
    audit.record(actor, "group.member_removed", member.group, before={"user": member.user.get_username()})
    member.delete()


@transaction.atomic
def sync_groups_from_claims(user: Any, *, actor: Actor, claims: Iterable[Any]) -> list[Group]:
    """Put somebody into the groups that a sign-in told of, and out of those it no longer tells of; return the former.

    Memberships made by hand stay. A service account never comes in so.
    """
    require(actor, "rbac.change_group", EVERYWHERE)
    told = [] if user.is_service else [one for one in claims if isinstance(one, str) and len(one) <= _LONGEST_CLAIM]
    wanted = list(Group.objects.filter(claims__overlap=told)) if told else []
    over = GroupMember.objects.filter(user=user, is_claimed=True).exclude(group__in=wanted).select_related("group")
    for member in over:
        audit.record(actor, "group.member_removed", member.group, before=_told(user))
        member.delete()
    for group in wanted:
        _, made = GroupMember.objects.get_or_create(group=group, user=user, defaults={"is_claimed": True})
        if made:
            audit.record(actor, "group.member_added", group, after=_told(user))
    return wanted


def _clean(claims: Iterable[str]) -> list[str]:
    wanted = sorted({one.strip() for one in claims} - {""})
    if len(wanted) > MOST_CLAIMS or any(len(one) > _LONGEST_CLAIM for one in wanted):
        raise Invalid.field("claims", f"at most {MOST_CLAIMS} values of at most {_LONGEST_CLAIM} characters each.")
    return wanted


def _save_named(group: Group) -> None:
    if not group.name:
        raise Invalid.field("name", "a group needs a name.")
    refuse_unfit(group, "name", "description")
    try:
        with transaction.atomic():
            group.save()
    except IntegrityError as error:
        raise Conflict(f"There is a group “{group.name}” already.", code="name_taken", field="name") from error


def _facts(group: Group) -> dict[str, Any]:
    return {"name": group.name, "description": group.description, "claims": group.claims}


def _told(user: Any) -> dict[str, Any]:
    return {"user": user.get_username(), "by": "sign-in"}
