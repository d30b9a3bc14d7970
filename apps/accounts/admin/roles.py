"""Pages of roles: named sets of permissions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.core.actors import Actor
from apps.core.admin import display, filters
from apps.core.admin.forms import OperatorForm
from apps.core.admin.operations import Creation, Operation
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import Facts, Page, Table
from apps.rbac import services as rbac
from apps.rbac.models import Role
from apps.tenancy.models import Tenant

#: What stands for an app, in the order of the navigation.
APPS = {
    "packages": "Packages",
    "processes": "Processes",
    "jobs": "Jobs",
    "robots": "Machines and robots",
    "tenancy": "Tenants and folders",
    "accounts": "Users and API keys",
    "rbac": "Roles",
    "audit": "Audit",
    "events": "Events",
}
#: What no person does: robots and the system ask for these.
_NOT_FOR_PEOPLE = {"report_robot", "claim_job", "report_execution", "sweep_execution"}
#: Tables behind the tables: what is done to them is asked on the row they belong to.
_MODELS = {
    "package", "packageversion", "process", "job", "machine", "robot", "tenant", "folder", "user", "apitoken", "role",
    "roleassignment", "auditentry", "event",
}  # fmt: skip


def grantable() -> QuerySet[Permission]:
    """Return the permissions that mean something to people, grouped as they are shown."""
    asked = Q(content_type__app_label__in=APPS, content_type__model__in=_MODELS)
    return Permission.objects.filter(asked).exclude(codename__in=_NOT_FOR_PEOPLE).select_related("content_type")


def grouped(permissions: QuerySet[Permission]) -> Iterator[tuple[str, list[Permission]]]:
    """Yield the permissions of each app under its name."""
    order = list(APPS)

    def place(permission: Permission) -> int:
        return order.index(permission.content_type.app_label)

    for app, group in groupby(sorted(permissions, key=lambda one: (place(one), one.codename)), key=place):
        yield APPS[order[app]], list(group)


def known_to(actor: Actor) -> QuerySet[Role]:
    """Return the installation's roles, and those of the tenants in which the actor may see roles."""
    tenants = rbac.visible(Tenant.objects.all(), actor, "rbac.view_role")
    return Role.objects.filter(Q(tenant=None) | Q(tenant__in=tenants))


class PermissionsField(forms.ModelMultipleChoiceField):
    """Permissions as check boxes under the name of their app."""

    widget = forms.CheckboxSelectMultiple

    def label_from_instance(self, obj: Any) -> str:
        """Say it as people do: “Can cancel a job”."""
        return str(obj.name)


class RoleForm(OperatorForm):
    name = forms.CharField(max_length=100)
    description = forms.CharField(max_length=500, required=False)

    def offer(self) -> None:
        """Make one group of check boxes for each app."""
        self.groups = []
        for number, (title, permissions) in enumerate(grouped(grantable())):
            name = f"permissions_{number}"
            rows = Permission.objects.filter(pk__in=[one.pk for one in permissions]).order_by("codename")
            held = [one.pk for one in permissions if one.pk in self.held]
            self.fields[name] = PermissionsField(rows, required=False, label=title, initial=held)
            self.groups.append(name)

    @property
    def held(self) -> set[Any]:
        """The permissions that the role has now."""
        return set() if self.row is None else set(self.row.permissions.values_list("pk", flat=True))

    def clean(self) -> dict[str, Any]:
        """Gather the check boxes into one value."""
        values = super().clean() or self.cleaned_data
        values["permissions"] = [one for name in self.groups for one in values.pop(name, ())]
        return values


class NewRoleForm(RoleForm):
    tenant = forms.ModelChoiceField(
        Tenant.objects.all(), required=False, empty_label="the whole installation", label="Known in",
        help_text="A role of one tenant can be given in that tenant only.",
    )  # fmt: skip
    field_order = ["name", "description", "tenant"]


def _make(actor: Actor, asked: dict[str, Any]) -> tuple[Role, None]:
    return rbac.create_role(asked.pop("name"), actor=actor, **asked), None


@display.column("Kind")
def kind(role: Role) -> SafeString | str:
    """Tell built-in roles from own ones."""
    return display.badge("built in", "busy") if role.is_builtin else "own"


@display.column("Held by")
def holders(role: Any) -> str:
    """Say how many hold it."""
    return str(role.holder_count)


@admin.register(Role)
class RoleAdmin(OperatorAdmin):
    """The roles there are."""

    list_display = ["name", "description", kind, display.linked("tenant", "Known in"), holders]
    list_filter = [filters.yes_no("is_builtin")]
    list_select_related = ["tenant"]
    linked_rows = ["tenant"]
    search_fields = ["name", "description"]
    ordering = ["-is_builtin", "name"]
    empty_icon = "badge"
    creation = Creation(
        title="Add a role",
        permission="rbac.add_role",
        form=NewRoleForm,
        make=_make,
        explain="A role is a named set of permissions. It does nothing until somebody is given it somewhere.",
    )
    operations = [
        Operation(
            name="edit",
            title="Edit",
            permission="rbac.change_role",
            service=rbac.update_role,
            explain="Whoever holds the role has the new permissions from their next request on.",
            form=RoleForm,
            initial=lambda role: {"name": role.name, "description": role.description},
            icon="edit",
            button="Save",
            done="The role is changed.",
            applies=lambda role: not role.is_builtin,
            is_main=True,
        ),
        Operation(
            name="delete",
            title="Delete",
            permission="rbac.delete_role",
            service=rbac.delete_role,
            explain="A role that somebody still holds stays.",
            icon="delete",
            tone="danger",
            done="The role is deleted.",
            applies=lambda role: not role.is_builtin,
            ends_row=True,
        ),
    ]

    def visible(self, request: HttpRequest) -> QuerySet[Any]:
        """Roles of the installation are known to whoever may see roles anywhere; a tenant's, in that tenant."""
        may = self.admin_site.holds(request, "rbac.view_role")
        return known_to(self.actor(request)) if may else Role.objects.none()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).annotate(holder_count=Count("assignments"))

    def page(self, request: HttpRequest, row: Role) -> Page:
        permissions = row.permissions.select_related("content_type").filter(content_type__app_label__in=APPS)
        rows = [[title, display.badges(one.name for one in group)] for title, group in grouped(permissions)]
        facts = [("Description", row.description or display.NOTHING), ("Known in", row.tenant or "the whole installation")]
        if row.grants_all:
            rows = [["Everything", "Every permission there is or will be, within the scope it is given for."]]
        return Page(
            badges=[kind(row)],
            main=[Table("What it lets one do", ["About", "May"], rows, "Nothing yet: edit it to give it permissions.")],
            side=[Facts("About it", facts)],
        )
