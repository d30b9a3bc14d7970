"""Pages of users and service accounts."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString

from apps.accounts import services
from apps.accounts.admin import confirm, me, sharing
from apps.accounts.admin.assignments import until
from apps.accounts.admin.fields import PasswordField, PasswordForm, ZoneField
from apps.accounts.models import ApiToken, User, UserKind
from apps.core.actors import Actor
from apps.core.admin import display, filters
from apps.core.admin.forms import OperatorForm, ReasonForm, Section
from apps.core.admin.operations import Creation, Operation
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import Facts, Page, Table
from apps.rbac import services as rbac
from apps.tenancy.admin.places import PlaceField

CHANGE_USER = "accounts.change_user"
ADD_USER = "accounts.add_user"


class FactsForm(OperatorForm):
    """Asks for what describes a person."""

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
    """Asks for what a person or a service account needs."""

    kind = forms.ChoiceField(choices=UserKind.choices, initial=UserKind.PERSON)
    username = forms.CharField(
        label="User name", max_length=150, required=False, help_text="What one signs in with; kept in lower case."
    )
    password = PasswordField(
        required=False, help_text="At least 12 characters. Empty: nobody can sign in until one is set."
    )
    tenant = PlaceField(required=False, help_text="The one tenant of a service account.")
    sections = (
        Section("", ["kind", "name"]),
        Section("A person", ["username", "password", "email", "time_zone", "is_staff", "is_superuser"]),
        Section("A service account", ["tenant"], "It has API keys and no password, and lives in one tenant."),
    )

    def offer(self) -> None:
        """Offer what this person may make: people take the permission everywhere, service accounts in their tenant."""
        super().offer()
        tenant: Any = self.fields["tenant"]
        tenant.offer(self.actor, ADD_USER, folders=False)
        if not rbac.allows(self.actor, ADD_USER, rbac.EVERYWHERE):
            kind: Any = self.fields["kind"]
            kind.choices = [(UserKind.SERVICE.value, UserKind.SERVICE.label)]

    def clean_password(self) -> str | None:
        """Return ``None`` where no password was typed."""
        return self.cleaned_data["password"] or None

    def clean(self) -> dict[str, Any]:
        """Ask for what the kind needs."""
        values = super().clean() or self.cleaned_data
        needed = ("name", "tenant") if values.get("kind") == UserKind.SERVICE else ("username",)
        for name in needed:
            if not values.get(name) and name not in self.errors:
                self.add_error(name, "This is needed.")
        return values


def _make(actor: Actor, asked: dict[str, Any]) -> tuple[User, None]:
    tenant = asked.pop("tenant")
    if asked.pop("kind") == UserKind.SERVICE:
        return services.create_service_account(tenant, actor=actor, name=asked["name"]), None
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
    list_select_related = ["tenant"]
    list_filter = [filters.yes_no("is_active"), filters.choice("kind")]
    search_fields = ["username", "name", "email"]
    ordering = ["username"]
    empty_title = "Nobody here that you may see"
    empty_text = "Users show once they hold a role in a tenant you administer."
    empty_icon = "person_add"
    creation = Creation(
        title="Add a user",
        permission=ADD_USER,
        form=NewUserForm,
        make=_make,
        explain="A new user may do nothing yet: give them a role afterwards.",
    )
    operations = [
        Operation(
            name="edit",
            title="Edit",
            permission=CHANGE_USER,
            service=services.update_user,
            explain="",
            form=FactsForm,
            initial=lambda user: {name: getattr(user, name) for name in FactsForm.base_fields},
            icon="edit",
            button="Save",
            done="The user is changed.",
            applies=lambda user: user.kind == UserKind.PERSON,
            is_main=True,
        ),
        Operation(
            name="password",
            title="Set password",
            permission=CHANGE_USER,
            service=services.set_password,
            explain="They sign in with it from now on, and every session made with the old one ends.",
            form=PasswordForm,
            icon="password",
            done="The password is set.",
            applies=lambda user: user.kind == UserKind.PERSON,
            is_main=True,
        ),
        Operation(
            name="unlock",
            title="Unlock",
            permission=CHANGE_USER,
            service=services.unlock_user,
            explain="Failed sign-ins by their name are forgotten, so that they can try again at once.",
            form=ReasonForm,
            icon="lock_open",
            done="They can try again at once.",
            applies=lambda user: user.kind == UserKind.PERSON and user.is_active,
        ),
        Operation(
            name="disable",
            title="Disable",
            permission=CHANGE_USER,
            service=services.disable_user,
            explain="They cannot sign in; their sessions end, and their API keys fail from the next request on.",
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
            permission=CHANGE_USER,
            service=services.enable_user,
            explain="They can sign in again, and their keys work again.",
            icon="person",
            done="The user is enabled.",
            applies=lambda user: not user.is_active,
            is_main=True,
        ),
    ]

    def allows(self, request: HttpRequest, permission: str, row: Any) -> bool:
        """Ask everywhere for people, who belong to no place, and in its tenant for a service account."""
        place = row if not isinstance(row, User) else row.tenant or rbac.EVERYWHERE
        return rbac.allows(self.actor(request), permission, place)

    def own_urls(self) -> list[URLPattern]:
        """Add the person's own pages, which take no permission."""
        return [
            self.url("me/", "me", lambda request: me.page(self, request)),
            self.url("confirm/", "confirm", lambda request: confirm.page(self, request)),
        ]

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
            steps=self._steps(request, row),
            main=[_roles_of(row, actor), *sharing.shared_with(row, actor), _keys_of(row, actor)],
            side=[Facts("About them", facts)],
        )

    def _steps(self, request: HttpRequest, user: User) -> list[tuple[str, str, str]]:
        explain = ("manage_search", "Explain access", f"{reverse('admin:explain')}?user={user.pk}")
        if not (user.is_active and self.admin_site.holds(request, "rbac.add_roleassignment")):
            return [explain]
        return [
            explain,
            ("assignment_ind", "Give a role", f"{reverse('admin:rbac_roleassignment_add')}?user={user.pk}"),
        ]


def _roles_of(user: User, actor: Actor) -> Table:
    through = rbac.visible_members(actor).filter(user=user).values("group_id")
    held = rbac.visible_assignments(actor).filter(Q(user=user) | Q(group__in=through))
    rows = [
        [display.link(one, one.role.name), one.scope, f"group {one.group}" if one.group else "themselves", until(one)]
        for one in held.select_related("role", "group", "tenant", "folder").order_by("role__name", "pk")
    ]
    empty = "No role that you may see: without one there is little they may do."
    return Table("Roles", ["Role", "Where", "Held by", "Until"], rows, empty, icon="badge")


def _keys_of(user: User, actor: Actor) -> Table:
    keys = ApiToken.objects.visible_to(actor).filter(user=user, revoked_at=None).order_by("-pk")
    rows = [[display.link(key, key.name), key.shown_as, display.ago(key.last_used_at)] for key in keys[:20]]
    return Table("API keys", ["Name", "Key", "Last used"], rows, "No API keys.", icon="key")
