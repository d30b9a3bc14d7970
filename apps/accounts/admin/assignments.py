"""Pages of role assignments: who holds which role where."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from apps.accounts.models import User
from apps.core.actors import Actor
from apps.core.admin import display
from apps.core.admin.filters import RelatedFilter
from apps.core.admin.forms import MomentInput, OperatorForm
from apps.core.admin.operations import Creation, Operation
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import Facts, Page
from apps.rbac import services as rbac
from apps.rbac.models import Group, Role, RoleAssignment
from apps.tenancy.admin.places import PlaceField
from apps.tenancy.models import Folder


class NewAssignmentForm(OperatorForm):
    """Asks who shall hold which role where, and until when."""

    user = forms.ModelChoiceField(User.objects.all(), required=False, empty_label="Choose a user")
    group = forms.ModelChoiceField(
        Group.objects.all(), required=False, empty_label="Choose a group", label="Or a group"
    )
    role = forms.ModelChoiceField(Role.objects.all(), empty_label="Choose a role")
    place = PlaceField(label="Where", help_text="In a folder it holds for everything inside it too.")
    expires_at = forms.DateTimeField(
        required=False, widget=MomentInput(), label="Until", help_text="In your time zone. Empty: it never ends."
    )

    def offer(self) -> None:
        group: Any = self.fields["group"]
        group.queryset = rbac.visible_groups(self.actor)
        if not group.queryset.exists():
            del self.fields["group"]
        role: Any = self.fields["role"]
        place: Any = self.fields["place"]
        role.queryset = rbac.visible_roles(self.actor)
        place.offer(self.actor, "rbac.add_roleassignment", everywhere=True)


def _make(actor: Actor, asked: dict[str, Any]) -> tuple[RoleAssignment, None]:
    place = asked["place"]
    where = {"folder": place} if isinstance(place, Folder) else {"tenant": place}
    who = {name: asked.get(name) for name in ("user", "group", "expires_at")}
    return rbac.assign_role(asked["role"], actor=actor, **who, **where), None


@display.column("Who")
def holder(assignment: Any) -> SafeString | str:
    """Name the user or the group."""
    if assignment.group is not None:
        return display.link(assignment.group, may_open=getattr(assignment, "may_open_group", True))
    return display.link(assignment.user, may_open=getattr(assignment, "may_open_user", True))


@display.column("Until")
def until(assignment: RoleAssignment) -> SafeString | str:
    """Say when it ends by itself, or that it has ended."""
    if assignment.expires_at is None:
        return "no end"
    if assignment.expires_at <= timezone.now():
        return display.badge("ended", "care")
    return display.moment(assignment.expires_at)


@display.column("Role")
def holding(assignment: RoleAssignment) -> str:
    """Name the role; it leads to the page of the assignment."""
    return str(assignment.role)


@display.column("Where")
def scope(assignment: RoleAssignment) -> str:
    """Name the place."""
    return assignment.scope


@admin.register(RoleAssignment)
class RoleAssignmentAdmin(OperatorAdmin):
    """Who holds which role where."""

    list_display = [holding, holder, scope, until, display.when("created_at", "Given")]
    list_filter = [("tenant", RelatedFilter)]
    list_select_related = ["user", "group", "role", "tenant", "folder"]
    linked_rows = ["user"]
    search_fields = ["user__username", "user__name", "group__name", "role__name"]
    ordering = ["user__username", "role__name"]
    sortable_by = ()
    empty_title = "Nobody holds a role yet"
    empty_text = "Give a user a role somewhere, and they may do there what it lets them."
    empty_icon = "assignment_ind"
    creation = Creation(
        title="Give a role",
        permission="rbac.add_roleassignment",
        form=NewAssignmentForm,
        make=_make,
        button="Give it",
        explain="Nobody can hand out what they do not hold in the same place themselves, or for longer.",
    )
    operations = [
        Operation(
            name="revoke",
            title="Take away",
            permission="rbac.delete_roleassignment",
            service=rbac.revoke_role,
            explain="They may no longer do what the role let them do there, from their next request on.",
            icon="person_remove",
            tone="danger",
            done="The role is taken away.",
            is_bulk=True,
            is_main=True,
            ends_row=True,
        ),
    ]

    def visible(self, request: HttpRequest) -> QuerySet[Any]:
        return rbac.visible_assignments(self.actor(request))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        groups = rbac.visible_groups(self.actor(request)).filter(pk=OuterRef("group_id"))
        rows: QuerySet[Any] = super().get_queryset(request).annotate(may_open_group=Exists(groups))
        return rows

    def allows(self, request: HttpRequest, permission: str, row: Any) -> bool:
        """An assignment is changed by whoever may do so in its place."""
        place = row if not isinstance(row, RoleAssignment) else row.folder or row.tenant or rbac.EVERYWHERE
        return rbac.allows(self.actor(request), permission, place)

    def _form(self, request: HttpRequest, form: type[OperatorForm], **about: Any) -> OperatorForm:
        """Begin with the user or the group that the reader came from."""
        initial = {name: request.GET[name] for name in ("user", "group") if name in request.GET}
        return super()._form(request, form, initial={**initial, **about.pop("initial", {})}, **about)

    def page(self, request: HttpRequest, row: RoleAssignment) -> Page:
        facts = [
            ("Group" if row.group else "User", self._holder(request, row)),
            ("Role", display.link(row.role, may_open=self.admin_site.holds(request, "rbac.view_role"))),
            ("Where", row.scope),
            ("Until", until(row)),
            ("Given", display.moment(row.created_at)),
        ]
        return Page(main=[Facts("About it", facts)])

    def _holder(self, request: HttpRequest, row: RoleAssignment) -> SafeString | str:
        if row.group is None:
            return self.links(request)(row.user)
        known = rbac.visible_groups(self.actor(request)).filter(role_assignments=row)
        return display.link(row.group, may_open=known.exists())

    def title_of(self, row: RoleAssignment) -> str:
        return f"{row.role} for {row.holder}"
