"""Pages of users and service accounts."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import URLPattern
from django.utils.safestring import SafeString

from apps.accounts import services
from apps.accounts.admin import me
from apps.accounts.admin.fields import PasswordField, PasswordForm, ZoneField
from apps.accounts.models import ApiToken, User, UserKind
from apps.core.actors import Actor
from apps.core.admin import display, filters
from apps.core.admin.forms import OperatorForm, ReasonForm
from apps.core.admin.operations import Creation, Operation
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import Facts, Page, Table
from apps.rbac import services as rbac
from apps.rbac.models import RoleAssignment
from apps.tenancy.models import Tenant

EVERYWHERE_PERMISSION = "accounts.change_user"


class FactsForm(OperatorForm):
    name = forms.CharField(label="Display name", max_length=200, required=False)
    email = forms.EmailField(label="E-mail", required=False)
    time_zone = ZoneField()
    is_staff = forms.BooleanField(
        label="May open the admin", required=False, initial=True, help_text="Without it one can only use the API."
    )
    is_superuser = forms.BooleanField(
        label="Superuser", required=False, help_text="May do everything everywhere. Prefer a role; keep this to a few."
    )

    def offer(self) -> None:
        if not (self.actor.user and self.actor.user.is_superuser):
            del self.fields["is_superuser"]


class NewUserForm(FactsForm):
    username = forms.CharField(
        label="User name", max_length=150, help_text="What one signs in with; kept in lower case."
    )
    password = PasswordField(
        required=False, help_text="At least 12 characters. Empty: nobody can sign in until one is set."
    )
    field_order = ["username", "password", "name", "email", "time_zone", "is_staff", "is_superuser"]

    def clean_password(self) -> str | None:
        """Return ``None`` where no password was typed."""
        return self.cleaned_data["password"] or None


def _make(actor: Actor, asked: dict[str, Any]) -> tuple[User, None]:
    return services.create_user(asked.pop("username"), actor=actor, **asked), None


@display.column("Kind")
def kind(user: User) -> SafeString | str:
    """Tell superusers and service accounts from people."""
    if user.is_superuser:
        return display.badge("superuser", "care")
    return display.badge("service account", "busy") if user.is_service else "person"


@display.column("Status")
def state(user: User) -> SafeString:
    """Say whether one can sign in."""
    return display.badge("active", "good") if user.is_active else display.badge("disabled", "bad")


@admin.register(User)
class UserAdmin(OperatorAdmin):
    """People and service accounts."""

    list_display = ["username", "name", "email", kind, state, display.when("last_login", "Last signed in")]
    list_filter = [filters.yes_no("is_active"), filters.yes_no("is_superuser"), filters.choice("kind")]
    search_fields = ["username", "name", "email"]
    ordering = ["username"]
    empty_title = "Nobody here that you may see"
    empty_text = "Users show once they hold a role in a tenant you administer."
    empty_icon = "person_add"
    creation = Creation(
        title="Add a user",
        permission="accounts.add_user",
        form=NewUserForm,
        make=_make,
        explain="A new user may do nothing yet: give them a role afterwards.",
    )
    operations = [
        Operation(
            name="edit",
            title="Edit",
            permission=EVERYWHERE_PERMISSION,
            service=services.update_user,
            explain="",
            form=FactsForm,
            initial=lambda user: {name: getattr(user, name) for name in FactsForm.base_fields},
            icon="edit",
            button="Save",
            done="The user is changed.",
            is_main=True,
        ),
        Operation(
            name="password",
            title="Set password",
            permission=EVERYWHERE_PERMISSION,
            service=services.set_password,
            explain="They sign in with it from now on, and every session made with the old one ends.",
            form=PasswordForm,
            icon="password",
            done="The password is set.",
            applies=lambda user: user.kind == UserKind.PERSON,
            is_main=True,
        ),
        Operation(
            name="disable",
            title="Disable",
            permission=EVERYWHERE_PERMISSION,
            service=services.disable_user,
            explain="They cannot sign in, and their sessions and API keys fail from the next request on.",
            form=ReasonForm,
            icon="person_off",
            tone="danger",
            done="The user is disabled.",
            applies=lambda user: user.is_active,
            is_bulk=True,
        ),
        Operation(
            name="enable",
            title="Enable",
            permission=EVERYWHERE_PERMISSION,
            service=services.enable_user,
            explain="They can sign in again, and their keys work again.",
            icon="person",
            done="The user is enabled.",
            applies=lambda user: not user.is_active,
            is_main=True,
        ),
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return rbac.allows(self.actor(request), "accounts.add_user", rbac.EVERYWHERE)

    def allows(self, request: HttpRequest, permission: str, row: Any) -> bool:
        """Users belong to no place: what changes one takes the permission everywhere."""
        return rbac.allows(self.actor(request), permission, rbac.EVERYWHERE)

    def own_urls(self) -> list[URLPattern]:
        """Add the person's own page, which takes no permission."""
        return [self.url("me/", "me", lambda request: me.page(self, request))]

    def page(self, request: HttpRequest, row: User) -> Page:
        actor = self.actor(request)
        facts = [
            ("User name", row.username),
            ("E-mail", row.email or display.NOTHING),
            ("Kind", kind(row)),
            ("May open the admin", "yes" if row.is_staff else "no"),
            ("Time zone", row.time_zone),
            ("Last signed in", display.moment(row.last_login)),
            ("Made", display.moment(row.created_at)),
            ("Id", row.pk),
        ]
        return Page(
            badges=[state(row)],
            main=[_roles_of(row, actor), _keys_of(row, actor)],
            side=[Facts("About them", facts)],
        )


def _roles_of(user: User, actor: Actor) -> Table:
    tenants = Tenant.objects.visible_to(actor)
    held = RoleAssignment.objects.filter(user=user).select_related("role", "tenant", "folder")
    if not (actor.user and actor.user.is_superuser):
        held = held.filter(tenant__in=tenants)
    rows = [[one.role.name, one.scope] for one in held]
    return Table(
        "Roles", ["Role", "Where"], rows, "No role yet: without one there is nothing they may do.", icon="badge"
    )


def _keys_of(user: User, actor: Actor) -> Table:
    keys = ApiToken.objects.visible_to(actor).filter(user=user, revoked_at=None).order_by("-pk")
    rows = [[display.link(key, key.name), key.shown_as, display.ago(key.last_used_at)] for key in keys[:20]]
    return Table("API keys", ["Name", "Key", "Last used"], rows, "No API keys.", icon="key")
