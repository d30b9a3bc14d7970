"""Pages of API keys."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from apps.accounts import services
from apps.accounts.admin import key_pages
from apps.accounts.models import ApiToken, User
from apps.core.actors import Actor
from apps.core.admin import display
from apps.core.admin.base import SimpleListFilter
from apps.core.admin.filters import RelatedFilter
from apps.core.admin.forms import OperatorForm, ReasonForm, Section
from apps.core.admin.operations import Creation, Operation, Secret
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import Page
from apps.rbac.rules import OPERATIONAL_APPS
from apps.tenancy.models import Folder, Tenant

OVERLAPS = [(0, "not at all"), (10, "10 minutes"), (60, "1 hour"), (8 * 60, "8 hours"), (24 * 60, "24 hours")]
#: Areas that are called otherwise than by their name.
_WORDS = {
    "tenancy": "tenants and folders",
    "accounts": "users and API keys",
    "rbac": "roles and groups",
    "configuration": "settings",
    "audit": "the audit trail",
    "retention": "how long things are kept, and the bin",
    "encryption": "the keys of secrets",
    "console": "the schedule",
}
AREAS = [("*.view", "looking, at all that its user sees")]
AREAS += sorted(((f"{app}.*", _WORDS.get(app, app)) for app in OPERATIONAL_APPS), key=lambda area: area[1])
LIVES = [(30, "30 days"), (90, "90 days"), (180, "180 days"), (365, "1 year")]


class NewKeyForm(OperatorForm):
    """Asks whose key it shall be, in which tenant, and for how long."""

    name = forms.CharField(max_length=100, help_text="What uses this key, so that you know it again.")
    user = forms.ModelChoiceField(
        User.objects.all(), empty_label="Choose a user", help_text="Whose rights the key has."
    )
    tenant = forms.ModelChoiceField(
        Tenant.objects.all(), empty_label="Choose a tenant", help_text="The one tenant that the key reaches."
    )
    life = forms.TypedChoiceField(choices=LIVES, coerce=int, initial=90, label="Works for")
    areas = forms.MultipleChoiceField(
        choices=AREAS,
        widget=forms.CheckboxSelectMultiple,
        required=False,
        label="Only for",
        help_text="What its user may besides, the key may not. Nothing ticked or named: all that its user may.",
    )
    permissions = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3}),
        required=False,
        label="And for",
        help_text="Single permissions, such as jobs.cancel_job: one a line.",
    )
    folders = forms.ModelMultipleChoiceField(
        Folder.objects.all(),
        required=False,
        help_text="It works in these and below. None chosen: in its whole tenant.",
    )
    networks = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 2}),
        required=False,
        label="From networks",
        help_text="Such as 10.0.0.0/8: one a line. Empty: from any.",
    )
    sections = [Section("How far it reaches", ["areas", "permissions", "folders", "networks"])]

    def offer(self) -> None:
        """Begin with a key of one's own, and with the tenant where there is but one."""
        tenants: Any = self.fields["tenant"]
        self.fields["user"].initial = self.actor.user.pk
        only = list(tenants.queryset[:2])
        tenants.initial = only[0].pk if len(only) == 1 else None

    def clean_life(self) -> timedelta:
        """Return the life as a span of time."""
        return timedelta(days=self.cleaned_data["life"])


class RotationForm(OperatorForm):
    """Asks how long the two texts work together."""

    overlap = forms.TypedChoiceField(
        choices=OVERLAPS,
        coerce=int,
        initial=10,
        label="The old text works for",
        help_text="Time to put the new one in place. Not at all: where the old one may be in wrong hands.",
    )

    def clean_overlap(self) -> timedelta:
        """Return the overlap as a span of time."""
        return timedelta(minutes=self.cleaned_data["overlap"])


def _make(actor: Actor, asked: dict[str, Any]) -> tuple[ApiToken, Secret]:
    user = asked.pop("user")
    scopes = [*asked.pop("areas"), *asked.pop("permissions").split()]
    folders, networks = list(asked.pop("folders")), asked.pop("networks").split()
    key, text = services.create_api_key(
        user, actor=actor, scopes=scopes or None, folders=folders or None, networks=networks, **asked
    )
    return key, _secret(key, text)


def _secret(key: ApiToken, text: str) -> Secret:
    commands = (f'curl -H "Authorization: Bearer {text}" …/api/v1/jobs',)
    return Secret("API key", text, f"Programs send it with each request, with the rights of {key.user}:", commands)


@display.column("Status")
def state(key: ApiToken) -> SafeString:
    """Say whether the key works."""
    if key.revoked_at is not None:
        return display.badge("revoked", "bad")
    if not key.is_live(timezone.now()):
        return display.badge("expired", "care")
    return display.badge("works", "good")


class StateFilter(SimpleListFilter):
    """Narrows to keys that work, or to those that do not."""

    title = "status"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("live", "Works"), ("ended", "Revoked or expired")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> QuerySet[ApiToken]:
        if self.value() is None:
            return queryset
        return queryset.filter(ApiToken.live()) if self.value() == "live" else queryset.exclude(ApiToken.live())


@admin.register(ApiToken)
class ApiTokenAdmin(OperatorAdmin):
    """The keys with which programs call. Their texts are shown once, when they are made or renewed."""

    list_display = [
        "name",
        display.column("Key")(lambda key: key.shown_as),
        display.linked("user", "User"),
        display.linked("tenant", "Tenant"),
        state,
        display.when("expires_at", "Until"),
        display.when("last_used_at", "Last used"),
        display.column("Uses")(lambda key: f"{key.use_count:,}"),
    ]
    list_filter = [StateFilter, ("tenant", RelatedFilter)]
    list_select_related = ["user", "tenant"]
    linked_rows = ["user", "tenant"]
    search_fields = ["name", "user__username"]
    ordering = ["-id"]
    empty_title = "No API keys yet"
    empty_text = "Programs and pipelines call the API with a key. It is shown once, when it is made."
    empty_icon = "key"
    creation = Creation(title="Add an API key", permission="accounts.add_apitoken", form=NewKeyForm, make=_make)
    operations = [
        Operation(
            name="rotate",
            title="New text",
            permission="accounts.change_apitoken",
            service=services.rotate_api_key,
            explain="The key gets another text and works as long again as it was made for. Put the new text in place "
            "while the old one still works.",
            form=RotationForm,
            icon="autorenew",
            button="Make a new text",
            applies=lambda key: key.is_live(timezone.now()),
            then=lambda key, result: _secret(*result),
            is_main=True,
        ),
        Operation(
            name="revoke",
            title="Revoke",
            permission="accounts.delete_apitoken",
            service=services.revoke_api_key,
            explain="It stops working at once, for good.",
            form=ReasonForm,
            icon="key_off",
            tone="danger",
            done="The key is revoked.",
            applies=lambda key: key.revoked_at is None,
            is_bulk=True,
            is_main=True,
        ),
    ]

    def visible(self, request: HttpRequest) -> QuerySet[Any]:
        """Everybody sees their own keys."""
        actor = self.actor(request)
        shared = ApiToken.objects.visible_to(actor).values("pk")
        return ApiToken.objects.filter(Q(pk__in=shared) | Q(user=actor.user))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Everybody may see the list: it holds their own keys, and those of others that they may see."""
        return True

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Everybody may make keys of their own."""
        return True

    def allows(self, request: HttpRequest, permission: str, row: Any) -> bool:
        """Everybody may renew and revoke their own keys."""
        return (isinstance(row, ApiToken) and row.user == request.user) or super().allows(request, permission, row)

    def page(self, request: HttpRequest, row: ApiToken) -> Page:
        side = [key_pages.facts_panel(row), key_pages.reach_panel(row)]
        return Page(badges=[state(row)], main=key_pages.usage_panels(row), side=side)

    def title_of(self, row: ApiToken) -> str:
        return row.name
