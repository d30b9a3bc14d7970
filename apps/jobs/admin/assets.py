"""Pages of assets: configuration values and secrets, what they are worth where, and which processes use them."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html

from apps.assets import services
from apps.assets.models import Asset, AssetValue, Expiry
from apps.assets.rules import AssetType
from apps.core.actors import Actor
from apps.core.admin import bins, display
from apps.core.admin.base import SimpleListFilter
from apps.core.admin.filters import RelatedFilter, choice
from apps.core.admin.forms import OperatorForm
from apps.core.admin.operations import Creation, Operation, Secret
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import Facts, Page, Table
from apps.jobs.admin.asset_forms import (
    SETTINGS,
    AssetForm,
    NewAssetForm,
    RemoveForm,
    RevealForm,
    SetForm,
    values_of,
    words,
)
from apps.processes.models import Process

MOST_SHOWN = 100
_OWN = AssetValue.objects.filter(for_folder=None, for_machine=None, for_robot=None)
#: What there is to choose from: what stands for it in the address, its icon, its title and what it is for.
CHOICES: Final = (
    ("text", "notes", "Text", "An address, a path, a message"),
    ("integer", "123", "Integer", "A limit, a number of days"),
    ("boolean", "toggle_on", "Boolean", "A switch"),
    ("json", "data_object", "JSON", "A list, an object, whatever programs read"),
    ("secret", "lock", "Secret", "One text that nobody sees, such as a token"),
    ("credential.password", "password", "User name and password", "A login"),
    ("credential.api_key", "key", "API key", "A key of a service"),
    ("credential.oauth2", "shield_lock", "OAuth2 client", "Client id and secret of a token address"),
    ("credential.database", "database", "Database", "Host, user name and password"),
    ("credential.private_key", "vpn_key", "Private key", "A key and its passphrase"),
    ("credential.custom", "tune", "Credential of your own", "Fields that you name"),
)


def _make(actor: Actor, asked: dict[str, Any]) -> tuple[Asset, None]:
    return services.create_asset(asked.pop("folder"), actor=actor, **asked), None


def shown(asset: Asset, value: Any) -> Any:
    """Return as much of a value as anybody may see."""
    if asset.type == AssetType.SECRET:
        return display.badge("sealed")
    if asset.type == AssetType.CREDENTIAL:
        return ", ".join(f"{words(name)}: {text}" for name, text in (value or {}).items()) or display.badge("sealed")
    return display.as_json(value) if asset.type in (AssetType.JSON, AssetType.BOOLEAN) else value


def _with_store(value: AssetValue, seen: Any) -> Any:
    """Say as well where the rest lies, if not here."""
    return format_html("{} from {} at {}", seen, display.link(value.store), value.path) if value.store else seen


@display.column("Type")
def type_column(asset: Asset) -> str:
    """Show what it is."""
    key = f"{asset.type}.{asset.kind}" if asset.kind else asset.type
    return next(title for name, _, title, _ in CHOICES if name == key)


@display.column("Value")
def value_column(asset: Any) -> Any:
    """Show what counts where no nearer value does."""
    own = next(iter(asset.own_value), None)
    return shown(asset, own.value if own is not None else None)


def expiry_badge(asset: Asset) -> Any:
    """Return a label for what expires soon or has; empty for all else."""
    if asset.expires_at is None or asset.expiry == Expiry.LASTING:
        return ""
    title = display.exactly(asset.expires_at)
    if asset.expiry == Expiry.EXPIRED:
        return display.badge("expired", display.Tone.BAD, title=title)
    left = (asset.expires_at - timezone.now()).days
    text = f"expires in {left} day{'' if left == 1 else 's'}" if left else "expires today"
    return display.badge(text, display.Tone.CARE, title=title)


@display.column("Expires")
def expiry_column(asset: Asset) -> Any:
    """Show until when it works, with a label where that is near."""
    return expiry_badge(asset) or display.moment(asset.expires_at)


class ExpiryFilter(SimpleListFilter):
    """Narrows by how near assets are to their end."""

    title = "expiry"
    parameter_name = "expiry"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(one.value, str(one.label).capitalize()) for one in Expiry]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.expiry(self.value()) if self.value() in Expiry.values else queryset


@admin.register(Asset)
class AssetAdmin(OperatorAdmin):
    """Named values that automations read."""

    list_display = [
        "name",
        type_column,
        value_column,
        expiry_column,
        display.linked("folder", "Folder"),
        display.when("created_at", "Made"),
    ]
    list_filter = [choice("type"), ExpiryFilter, ("folder", RelatedFilter), ("tenant", RelatedFilter)]
    list_select_related = ["folder", "tenant"]
    linked_rows = ["folder"]
    search_fields = ["name", "description"]
    ordering = ["name"]
    empty_title = "No assets yet"
    empty_text = (
        "An asset is a value that automations read by name: an address, a limit, a password. What is secret is "
    )
    empty_text += "sealed and given to running jobs alone."
    empty_icon = "key"
    creation = Creation(
        title="Add an asset", permission="assets.add_asset", form=NewAssetForm, make=_make, icon="add_circle"
    )
    operations = [
        Operation(
            name="set",
            title="Set value",
            permission="assets.set_asset",
            service=services.set_value,
            explain="Jobs that ask from now on are given this. A value is replaced whole.",
            form=SetForm,
            icon="edit_note",
            done="The value is set.",
            is_main=True,
        ),
        Operation(
            name="edit",
            title="Edit",
            permission="assets.change_asset",
            service=services.update_asset,
            explain="Its type stays: what is stored was checked by it.",
            form=AssetForm,
            initial=lambda asset: {name: getattr(asset, name) for name in SETTINGS},
            icon="edit",
            done="The asset is changed.",
            is_main=True,
        ),
        Operation(
            name="remove",
            title="Remove a value",
            permission="assets.set_asset",
            service=services.remove_value,
            explain="The next nearest value counts there then.",
            form=RemoveForm,
            icon="backspace",
            done="The value is gone.",
            applies=lambda asset: asset.values.count() > 1,
        ),
        Operation(
            name="reveal",
            title="Reveal",
            permission="assets.reveal_asset",
            service=services.reveal_asset,
            explain="One secret is shown to you, once. Who looked, when and why stays in the audit trail.",
            form=RevealForm,
            icon="visibility",
            button="Show it to me",
            applies=lambda asset: asset.is_secret,
            is_sensitive=True,
            then=lambda asset, text: Secret(f"What is secret in {asset}", text, "It is not shown again by itself."),
        ),
        Operation(
            name="delete",
            title="Delete",
            permission="assets.delete_asset",
            service=services.delete_asset,
            explain="It goes out of every list. Jobs that ask for it from now on are told that there is none.",
            icon="delete",
            tone="danger",
            done="The asset is deleted.",
            ends_row=True,
        ),
        bins.restoration(
            "assets.delete_asset",
            services.restore_asset,
            "It comes back with all its values; jobs that ask for it are given them again.",
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Asset]:
        own = Prefetch("values", queryset=_OWN, to_attr="own_value")
        rows: QuerySet[Asset] = super().get_queryset(request).prefetch_related(own)
        return rows

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask first what it is: that decides what else there is to ask."""
        if not self.has_add_permission(request):
            return super().add_view(request, form_url, extra_context)
        wanted = request.GET.get("type", "")
        if wanted not in {name for name, *_ in CHOICES}:
            context = {"choices": CHOICES, "creation": self.creation, "title": "Add an asset"}
            return self.render(request, "assets/choose.html", **context)
        type_, _, kind = wanted.partition(".")
        request.asset = Asset(type=type_, kind=kind)  # type: ignore[attr-defined]
        return super().add_view(request, form_url, extra_context)

    def _form(self, request: HttpRequest, form: type[OperatorForm], **about: Any) -> OperatorForm:
        return super()._form(request, form, place=getattr(request, "asset", None), **about)

    def page(self, request: HttpRequest, row: Any) -> Page:
        values = [
            [one.place, _with_store(one, shown(row, one.value)), display.moment(one.changed_at), one.changed_by]
            for one in values_of(row)
        ]
        using = Process.objects.alive().visible_to(self.actor(request)).filter(may_use=row).order_by("name")
        facts = [
            ("Type", type_column(row)),
            ("Given to", row.get_usable_by_display() if row.is_secret else "whoever may see it"),
            ("One at a time", "yes" if row.exclusive else "no"),
            ("Folder", display.link(row.folder)),
            ("Expires", display.moment(row.expires_at)),
            ("Made", display.moment(row.created_at)),
            ("Id", row.pk),
        ]
        return Page(
            badges=[badge] if (badge := expiry_badge(row)) else [],
            lead=row.description,
            main=[
                Table("What it is worth", ["Where", "Value", "Set", "By"], values),
                Table(
                    "Processes that may use it",
                    ["Process"],
                    [[display.link(one)] for one in using[:MOST_SHOWN]],
                    "None is listed that you may see. Processes are listed on their own pages.",
                ),
            ],
            side=[Facts("About it", facts)],
        )
