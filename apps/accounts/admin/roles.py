"""Pages of roles: named sets of permissions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Any, Final

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.core.actors import Actor
from apps.core.admin import display, filters
from apps.core.admin.forms import OperatorForm, Section
from apps.core.admin.operations import Creation, Operation
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import Facts, Page, Table
from apps.rbac import services as rbac
from apps.rbac.models import Role
from apps.tenancy.models import Tenant

#: What a role can let people do, under the headings of the navigation. What only robots and the system do is left out.
GRANTABLE: Final[Mapping[str, Mapping[str, str]]] = {
    "Packages": {
        "packages.view_package": "See packages",
        "packages.upload_package": "Upload packages",
        "packages.change_package": "Activate and deactivate versions",
        "packages.delete_package": "Delete packages and versions",
        "packages.download_packageversion": "Download package files",
    },
    "Processes": {
        "processes.view_process": "See processes",
        "processes.run_process": "Run processes",
        "processes.add_process": "Make processes",
        "processes.change_process": "Change, enable and disable processes",
        "processes.delete_process": "Delete processes",
        "processes.view_namedlimit": "See limits that processes share",
        "processes.add_namedlimit": "Make limits",
        "processes.change_namedlimit": "Change limits, and which processes share them",
        "processes.delete_namedlimit": "Delete limits",
    },
    "Jobs": {
        "jobs.view_job": "See jobs, executions, logs and files",
        "jobs.cancel_job": "Stop, cancel and kill jobs",
        "jobs.retry_job": "Retry, resume and settle jobs",
        "jobs.prioritise_job": "Change the priority of jobs",
        "jobs.report_execution": "Send steps of executions for their traces",
        "jobs.delete_artefact": "Delete files that jobs left",
    },
    "Assets": {
        "assets.view_asset": "See assets, but nothing that is secret",
        "assets.add_asset": "Make assets",
        "assets.change_asset": "Change assets, and whose jobs may use them",
        "assets.set_asset": "Set values of assets",
        "assets.use_asset": "Let processes use what is secret in assets",
        "assets.reveal_asset": "See what is secret in assets, with a reason and a fresh sign-in",
        "assets.delete_asset": "Delete assets",
        "assets.view_credentialstore": "See stores of credentials",
        "assets.add_credentialstore": "Name stores of credentials",
        "assets.change_credentialstore": "Change and test stores of credentials",
        "assets.use_credentialstore": "Let assets lie in stores of others",
        "assets.delete_credentialstore": "Delete stores of credentials",
    },
    "Queues": {
        "queues.view_queue": "See queues and how they do",
        "queues.add_queue": "Make queues",
        "queues.change_queue": "Change queues and their schemas",
        "queues.pause_queue": "Pause and resume queues",
        "queues.delete_queue": "Delete queues",
        "queues.view_queueitem": "See items with what they hold, and take their files",
        "queues.add_queueitem": "Add items",
        "queues.take_queueitem": "Take items and work on them",
        "queues.requeue_queueitem": "Requeue, postpone and prioritise items",
        "queues.review_queueitem": "Review items",
        "queues.delete_queueitem": "Delete items",
        "queues.add_itemfile": "Bring files of items",
        "queues.delete_itemfile": "Delete files of items",
    },
    "File stores": {
        "queues.view_filestore": "See file stores and take files from them",
        "queues.add_filestore": "Make file stores",
        "queues.change_filestore": "Rename and describe file stores",
        "queues.delete_filestore": "Delete file stores with their files",
        "queues.add_storedfile": "Write files into stores",
        "queues.delete_storedfile": "Delete files of stores",
    },
    "Triggers": {
        "triggers.view_trigger": "See triggers and what became of their due times",
        "triggers.add_trigger": "Make triggers",
        "triggers.change_trigger": "Change triggers",
        "triggers.enable_trigger": "Switch triggers on and off, and skip a due time",
        "triggers.fire_trigger": "Fire triggers by hand",
        "triggers.delete_trigger": "Delete triggers",
        "triggers.view_calendar": "See calendars",
        "triggers.add_calendar": "Make calendars",
        "triggers.change_calendar": "Change and import calendars",
        "triggers.delete_calendar": "Delete calendars",
    },
    "Machines": {
        "robots.view_machine": "See machines",
        "robots.add_machine": "Add machines",
        "robots.change_machine": "Change machines",
        "robots.enrol_machine": "Make new keys of machines",
        "robots.delete_machine": "Delete machines",
        "robots.view_enrolmentkey": "See enrolment keys",
        "robots.add_enrolmentkey": "Make enrolment keys for many machines",
        "robots.change_enrolmentkey": "Change enrolment keys",
        "robots.rotate_enrolmentkey": "Replace enrolment keys",
        "robots.delete_enrolmentkey": "Revoke enrolment keys",
    },
    "Robots": {
        "robots.view_robot": "See robots",
        "robots.add_robot": "Add robots",
        "robots.change_robot": "Change, drain, maintain and disable robots",
        "robots.rotate_robot": "Rotate tokens of robots",
        "robots.delete_robot": "Delete robots",
    },
    "Tenants and folders": {
        "tenancy.view_tenant": "See tenants",
        "tenancy.add_tenant": "Make tenants (everywhere only)",
        "tenancy.change_tenant": "Rename tenants; suspend them (everywhere only)",
        "tenancy.view_folder": "See folders",
        "tenancy.add_folder": "Make folders",
        "tenancy.change_folder": "Rename folders",
        "tenancy.delete_folder": "Delete folders",
        "tenancy.view_brake": "See the list of brakes",
        "tenancy.add_brake": "Set emergency brakes",
        "tenancy.lift_brake": "Lift emergency brakes",
    },
    "Users and API keys": {
        "accounts.view_user": "See users",
        "accounts.add_user": "Make users and service accounts",
        "accounts.change_user": "Change and disable users, set passwords (everywhere only)",
        "accounts.view_apitoken": "See API keys of others",
        "accounts.add_apitoken": "Make API keys for others",
        "accounts.change_apitoken": "Renew API keys of others",
        "accounts.delete_apitoken": "Revoke API keys of others",
    },
    "Roles and groups": {
        "rbac.view_role": "See roles",
        "rbac.add_role": "Make roles",
        "rbac.change_role": "Change roles",
        "rbac.delete_role": "Delete roles",
        "rbac.view_group": "See groups and who is in them",
        "rbac.add_group": "Make groups",
        "rbac.change_group": "Change groups, and who is in them",
        "rbac.delete_group": "Delete groups",
        "rbac.view_roleassignment": "See who holds which role",
        "rbac.add_roleassignment": "Give roles and share single things",
        "rbac.delete_roleassignment": "Take roles away",
    },
    "Administration": {
        "configuration.view_setting": "See settings",
        "configuration.change_setting": "Change settings",
        "mail.view_mail": "See which mail left, but no texts",
        "mail.send_mail": "Send test mails (everywhere only), and again what was given up",
        "retention.view_pruning": "See what goes when",
        "console.view_tick": "See the schedule of the background work",
        "console.change_tick": "Change the schedule (everywhere only)",
        "encryption.rotate_datakey": "Rotate keys of secrets (everywhere only)",
    },
    "Audit and events": {
        "audit.view_auditentry": "Read the audit trail",
        "audit.export_entry": "Export the audit trail",
        "events.view_event": "Read events",
    },
}


def permissions_by_name() -> dict[str, Permission]:
    """Return the grantable permissions by name (``app.codename``), with one query."""
    names = [name.split(".") for group in GRANTABLE.values() for name in group]
    wanted = reduce(or_, (Q(content_type__app_label=app, codename=code) for app, code in names))
    rows = Permission.objects.filter(wanted).select_related("content_type")
    return {f"{one.content_type.app_label}.{one.codename}": one for one in rows}


class RoleForm(OperatorForm):
    """Asks for a role's name and, by check boxes, what it lets one do."""

    name = forms.CharField(max_length=100)
    description = forms.CharField(max_length=500, required=False)

    def offer(self) -> None:
        """Make one group of check boxes for each heading."""
        self.permissions = permissions_by_name()
        held = set() if self.row is None else set(self.row.permissions.values_list("pk", flat=True))
        self.groups = []
        for number, (title, group) in enumerate(GRANTABLE.items()):
            name = f"permissions_{number}"
            chosen = [one for one in group if one in self.permissions and self.permissions[one].pk in held]
            self.fields[name] = forms.MultipleChoiceField(
                choices=list(group.items()),
                widget=forms.CheckboxSelectMultiple,
                required=False,
                label=title,
                initial=chosen,
            )
            self.groups.append(name)

    @property
    def sections(self) -> list[Section]:  # type: ignore[override]
        """The check boxes come under one heading."""
        return [Section("What it lets one do", self.groups)]

    def clean(self) -> dict[str, Any]:
        """Gather the check boxes into one value."""
        values = super().clean() or self.cleaned_data
        values["permissions"] = [self.permissions[one] for name in self.groups for one in values.pop(name, ())]
        return values


class NewRoleForm(RoleForm):
    """The same with the tenant that shall know it."""

    tenant = forms.ModelChoiceField(
        Tenant.objects.all(),
        required=False,
        empty_label="the whole installation",
        label="Known in",
        help_text="A role of one tenant can be given in that tenant only.",
    )
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
        return rbac.visible_roles(self.actor(request))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).annotate(holder_count=Count("assignments"))
        return rows

    def page(self, request: HttpRequest, row: Role) -> Page:
        held = {f"{app}.{code}" for app, code in row.permissions.values_list("content_type__app_label", "codename")}
        rows = [
            [title, display.badges(text for name, text in group.items() if name in held)]
            for title, group in GRANTABLE.items()
            if held & set(group)
        ]
        facts = [
            ("Description", row.description or display.NOTHING),
            ("Known in", row.tenant or "the whole installation"),
        ]
        if row.grants_all:
            rows = [["Everything", "Every permission there is or will be, within the scope it is given for."]]
        return Page(
            badges=[kind(row)],
            main=[Table("What it lets one do", ["About", "May"], rows, "Nothing yet: edit it to give it permissions.")],
            side=[Facts("About it", facts)],
        )
