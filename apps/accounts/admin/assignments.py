"""Pages of role assignments: who holds which role where."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.accounts.models import User
from apps.core.actors import Actor
from apps.core.admin import display
from apps.core.admin.filters import RelatedFilter
from apps.core.admin.forms import OperatorForm
from apps.core.admin.operations import Creation, Operation
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import Facts, Page
from apps.rbac import services as rbac
from apps.rbac.models import Role, RoleAssignment
from apps.tenancy.admin.places import PlaceField
from apps.tenancy.models import Folder


class NewAssignmentForm(OperatorForm):
    """Asks who shall hold which role where."""

    user = forms.ModelChoiceField(User.objects.all(), empty_label="Choose a user")
    role = forms.ModelChoiceField(Role.objects.all(), empty_label="Choose a role")
    place = PlaceField(label="Where", help_text="In a folder it holds for everything inside it too.")

    def offer(self) -> None:
        role: Any = self.fields["role"]
        place: Any = self.fields["place"]
        role.queryset = rbac.visible_roles(self.actor)
        place.offer(self.actor, "rbac.add_roleassignment", everywhere=True)


def _make(actor: Actor, asked: dict[str, Any]) -> tuple[RoleAssignment, None]:
    place = asked["place"]
    where = {"folder": place} if isinstance(place, Folder) else {"tenant": place}
    return rbac.assign_role(asked["role"], actor=actor, user=asked["user"], **where), None


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

    list_display = [holding, display.linked("user", "User"), scope, display.when("created_at", "Given")]
    list_filter = [("tenant", RelatedFilter)]
    list_select_related = ["user", "role", "tenant", "folder"]
    linked_rows = ["user"]
    search_fields = ["user__username", "user__name", "role__name"]
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
        explain="Nobody can hand out what they do not hold in the same place themselves.",
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

    def allows(self, request: HttpRequest, permission: str, row: Any) -> bool:
        """An assignment is changed by whoever may do so in its place."""
        place = row if not isinstance(row, RoleAssignment) else row.folder or row.tenant or rbac.EVERYWHERE
        return rbac.allows(self.actor(request), permission, place)

    def _form(self, request: HttpRequest, form: type[OperatorForm], **about: Any) -> OperatorForm:
        """Begin with the user that the reader came from."""
        initial = {"user": request.GET["user"]} if "user" in request.GET else {}
        return super()._form(request, form, initial={**initial, **about.pop("initial", {})}, **about)

    def page(self, request: HttpRequest, row: RoleAssignment) -> Page:
        facts = [
            ("User", self.links(request)(row.user)),
            ("Role", display.link(row.role, may_open=self.admin_site.holds(request, "rbac.view_role"))),
            ("Where", row.scope),
            ("Given", display.moment(row.created_at)),
        ]
        return Page(main=[Facts("About it", facts)])

    def title_of(self, row: RoleAssignment) -> str:
        return f"{row.role} for {row.user}"
