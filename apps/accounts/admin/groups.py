"""Pages of groups: people who hold roles together."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from apps.accounts.admin import sharing
from apps.accounts.models import User
from apps.core.actors import Actor
from apps.core.admin import display
from apps.core.admin.forms import OperatorForm
from apps.core.admin.operations import Creation, Operation
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import Facts, Page, Table
from apps.rbac import services as rbac
from apps.rbac.models import Group, GroupMember
from apps.tenancy.models import Tenant

#: The page of a group shows so many of its members; a search finds the others by their own pages.
MOST_SHOWN = 200


class GroupForm(OperatorForm):
    """Asks what a group is called, and whose sign-ins make members."""

    name = forms.CharField(max_length=100)
    description = forms.CharField(max_length=500, required=False)
    claims = forms.CharField(
        label="By sign-in",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="One value to a line. Who signs in elsewhere with one of these among their groups is a member.",
    )

    def clean_claims(self) -> list[str]:
        """Return the lines."""
        return str(self.cleaned_data["claims"]).splitlines()


class NewGroupForm(GroupForm):
    """The same with the tenant that it belongs to."""

    tenant = forms.ModelChoiceField(
        Tenant.objects.all(),
        required=False,
        empty_label="the whole installation",
        label="Belongs to",
        help_text="A group of one tenant holds roles in that tenant only.",
    )
    field_order = ["name", "description", "tenant", "claims"]


class MemberForm(OperatorForm):
    """Asks whom to let in."""

    user = forms.ModelChoiceField(User.objects.all(), label="Who", empty_label="Choose a user")

    def offer(self) -> None:
        user: Any = self.fields["user"]
        user.queryset = user.queryset.filter(is_active=True).exclude(group_memberships__group=self.row)


class LeavingForm(OperatorForm):
    """Asks whom to put out."""

    member = forms.ModelChoiceField(GroupMember.objects.none(), label="Who", empty_label="Choose a member")

    def offer(self) -> None:
        member: Any = self.fields["member"]
        member.queryset = GroupMember.objects.filter(group=self.row).select_related("user").order_by("user__username")
        member.label_from_instance = lambda one: str(one.user)


def _make(actor: Actor, asked: dict[str, Any]) -> tuple[Group, None]:
    return rbac.create_group(asked.pop("name"), actor=actor, **asked), None


def _remove(group: Group, *, actor: Actor, member: GroupMember) -> None:
    rbac.remove_member(member, actor=actor)


@display.column("Members")
def member_count(group: Any) -> str:
    """Say how many are in it."""
    return str(group.member_count)


@admin.register(Group)
class GroupAdmin(OperatorAdmin):
    """The groups there are."""

    list_display = ["name", "description", display.linked("tenant", "Belongs to"), member_count]
    list_select_related = ["tenant"]
    linked_rows = ["tenant"]
    search_fields = ["name", "description"]
    ordering = ["name"]
    empty_title = "No groups yet"
    empty_text = "Give a role to a group once, and whoever joins it holds the role too."
    empty_icon = "groups"
    creation = Creation(
        title="Add a group",
        permission="rbac.add_group",
        form=NewGroupForm,
        make=_make,
        explain="A group gives nothing until it is given a role, or something is shared with it.",
    )
    operations = [
        Operation(
            name="join",
            title="Add a member",
            permission="rbac.change_group",
            service=rbac.add_member,
            explain="They have all that the group is given. It takes the right to give each of these things.",
            form=MemberForm,
            icon="person_add",
            done="They are in.",
            is_main=True,
        ),
        Operation(
            name="edit",
            title="Edit",
            permission="rbac.change_group",
            service=rbac.update_group,
            explain="A value of sign-ins lets others in, so it takes what adding a member takes.",
            form=GroupForm,
            initial=lambda group: {
                "name": group.name,
                "description": group.description,
                "claims": "\n".join(group.claims),
            },
            icon="edit",
            button="Save",
            done="The group is changed.",
            is_main=True,
        ),
        Operation(
            name="leave",
            title="Remove a member",
            permission="rbac.change_group",
            service=_remove,
            explain="They lose what the group gave with their next request, unless something else gives it.",
            form=LeavingForm,
            icon="person_remove",
            tone="danger",
            done="They are out.",
            applies=lambda group: group.members.exists(),
        ),
        Operation(
            name="delete",
            title="Delete",
            permission="rbac.delete_group",
            service=rbac.delete_group,
            explain="A group that still holds something stays.",
            icon="delete",
            tone="danger",
            done="The group is deleted.",
            ends_row=True,
        ),
    ]

    def visible(self, request: HttpRequest) -> QuerySet[Any]:
        return rbac.visible_groups(self.actor(request))

    def allows(self, request: HttpRequest, permission: str, row: Any) -> bool:
        """A group is changed by whoever may do so in its tenant, or in the installation."""
        place = row if not isinstance(row, Group) else row.tenant or rbac.EVERYWHERE
        return rbac.allows(self.actor(request), permission, place)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).annotate(member_count=Count("members"))
        return rows

    def page(self, request: HttpRequest, row: Group) -> Page:
        actor = self.actor(request)
        facts = [
            ("Description", row.description or display.NOTHING),
            ("Belongs to", row.tenant or "the whole installation"),
            ("By sign-in", display.badges(row.claims) if row.claims else display.NOTHING),
            ("Made", display.moment(row.created_at)),
        ]
        return Page(
            steps=self._steps(request, row),
            main=[self._members(request, row), _roles_of(row, actor), *sharing.shared_with_group(row, actor)],
            side=[Facts("About it", facts)],
        )

    def _steps(self, request: HttpRequest, group: Group) -> list[tuple[str, str, str]]:
        if not self.admin_site.holds(request, "rbac.add_roleassignment"):
            return []
        return [("assignment_ind", "Give a role", f"{reverse('admin:rbac_roleassignment_add')}?group={group.pk}")]

    def _members(self, request: HttpRequest, group: Group) -> Table:
        known = rbac.visible_members(self.actor(request)).filter(group=group).select_related("user")
        may_open = User.objects.visible_to(self.actor(request)).filter(group_memberships__group=group)
        open_to = set(may_open.values_list("pk", flat=True))
        rows = [
            [
                display.link(one.user, may_open=one.user_id in open_to),
                "by sign-in" if one.is_claimed else "by hand",
                display.ago(one.created_at),
            ]
            for one in known.order_by("user__username")[:MOST_SHOWN]
        ]
        return Table("Members", ["Who", "How", "Since"], rows, "Nobody is in it.", icon="groups")


def _roles_of(group: Group, actor: Actor) -> Table:
    held = rbac.visible_assignments(actor).filter(group=group).select_related("role", "tenant", "folder")
    rows = [
        [display.link(one, one.role.name), one.scope, display.moment(one.expires_at) if one.expires_at else "no end"]
        for one in held.order_by("role__name", "pk")
    ]
    return Table("Roles", ["Role", "Where", "Until"], rows, "It holds no role that you may see.", icon="badge")
