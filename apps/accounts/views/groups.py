"""Groups, and who is in them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.filters import GroupFilters, GroupMemberFilters
from apps.accounts.serializers import AddMember, ChangeGroup, CreateGroup, GroupMemberOut, GroupOut
from apps.core.actors import Actor
from apps.core.api.rows import RowViewSet
from apps.core.errors import Invalid
from apps.rbac import services as rbac
from apps.rbac.models import Group, GroupMember


class GroupViewSet(RowViewSet):
    """Groups: people who hold roles and object permissions together."""

    http_method_names = ["get", "head", "post", "patch", "delete", "options"]
    queryset = Group.objects.all()
    serializer_class = GroupOut
    filterset_class = GroupFilters
    orderings = ("name", "created_at")
    input_serializers = {"create": CreateGroup, "partial_update": ChangeGroup}

    def get_queryset(self) -> QuerySet[Group]:
        """Return the groups of the caller's tenants, and those the caller is in."""
        if getattr(self, "swagger_fake_view", False):
            return Group.objects.none()
        return rbac.visible_groups(self.actor)

    def create(self, request: Request) -> Response:
        """Make a group. It gives nothing until it is given a role."""
        asked = self.asked()
        return self.created(rbac.create_group(asked.pop("name"), actor=self.actor, **asked))

    def partial_update(self, request: Request, id: Any) -> Response:
        """Change what a group is called, and which values of sign-ins make members of it."""
        group: Any = self.get_object()
        now = {"name": group.name, "description": group.description, "claims": group.claims}
        rbac.update_group(group, actor=self.actor, **{**now, **self.asked()})
        return self.answer(self.shown(group))

    def destroy(self, request: Request, id: Any) -> Response:
        """Delete a group that holds nothing any more."""
        return self.remove(rbac.delete_group)


class GroupMemberViewSet(RowViewSet):
    """Members of groups. Who is in a group has all that the group is given."""

    queryset = GroupMember.objects.select_related("group", "user")
    serializer_class = GroupMemberOut
    filterset_class = GroupMemberFilters
    input_serializers = {"create": AddMember}

    def get_queryset(self) -> QuerySet[GroupMember]:
        """Return who is in the groups that the caller may look at."""
        if getattr(self, "swagger_fake_view", False):
            return GroupMember.objects.none()
        return rbac.visible_members(self.actor).select_related("group__tenant", "user")

    def create(self, request: Request) -> Response:
        """Let somebody into a group. It takes the right to give each thing that the group gives."""
        asked = self.asked()
        group = known_group(self.actor, asked["group"])
        return self.created(rbac.add_member(group, actor=self.actor, user=asked["user"]))

    def destroy(self, request: Request, id: Any) -> Response:
        """Put somebody out of a group."""
        return self.remove(rbac.remove_member)


def known_group(actor: Actor, identity: Any) -> Group:
    """Return a group that the actor may look at. Raises ``Invalid``."""
    group = rbac.visible_groups(actor).filter(pk=identity).first()
    if group is None:
        raise Invalid.field("group", "There is no such group.", code="unknown")
    return group
