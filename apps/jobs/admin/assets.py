"""Pages of assets: configuration values and secrets, what they are worth where, and which processes use them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from django import forms
from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse

from apps.assets import services
from apps.assets.models import Asset, AssetValue
from apps.assets.rules import AssetType, CredentialKind
from apps.assets.services import Place
from apps.core.actors import Actor
from apps.core.admin import display
from apps.core.admin.filters import RelatedFilter, choice
from apps.core.admin.forms import OperatorForm, Section
from apps.core.admin.operations import Creation, Operation
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import Facts, Page, Table
from apps.core.admin.typed_json import JsonObject, JsonText
from apps.processes.models import Process
from apps.robots.models import Machine, Robot
from apps.tenancy.admin.places import FolderField
from apps.tenancy.models import Folder

MOST_SHOWN = 100
_SEALED = "Never shown again, to anybody."
_OWN = AssetValue.objects.filter(for_folder=None, for_machine=None, for_robot=None)
_SETTINGS: Final = ("name", "description", "usable_by", "exclusive", "expires_at")
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


class WorthForm(OperatorForm):
    """Asks what an asset is worth, with a field for each part of a credential."""

    @property
    def about(self) -> Asset:
        """The asset there is, or the one that is to be."""
        asset: Asset = self.row or self.place
        return asset

    def offer(self) -> None:
        """Ask for what its type has."""
        self.fields |= _fields_of(self.about)

    def clean(self) -> dict[str, Any]:
        """Return what was filled in as the services take it."""
        asked: dict[str, Any] = dict(super().clean() or {})
        kind = self.about.kind and CredentialKind(self.about.kind)
        if self.about.type == AssetType.SECRET:
            return asked | {"value": None, "secrets": {"value": asked.get("value", "")}}
        if not kind:
            return asked | {"secrets": None}
        if kind.fields.is_open:
            return asked | {"value": asked.get("value") or {}, "secrets": asked.get("secrets") or {}}
        public, hidden = (_taken(asked, names) for names in (kind.fields.public, kind.fields.secret))
        return asked | {"value": public, "secrets": hidden}


def _taken(asked: dict[str, Any], names: Iterable[str]) -> dict[str, str]:
    given = {name: asked.pop(name, "") for name in names}
    return {name: text for name, text in given.items() if text}


def _fields_of(asset: Asset) -> dict[str, forms.Field]:
    match asset.type:
        case AssetType.INTEGER:
            return {"value": forms.IntegerField()}
        case AssetType.BOOLEAN:
            return {"value": forms.BooleanField(label="On", required=False)}
        case AssetType.JSON:
            return {"value": JsonText(required=False)}
        case AssetType.SECRET:
            return {"value": _hidden("Secret")}
        case AssetType.CREDENTIAL:
            return _fields_of_credential(CredentialKind(asset.kind))
        case _:
            widget = forms.Textarea({"rows": 3})
            return {"value": forms.CharField(required=False, strip=False, widget=widget)}


def _fields_of_credential(kind: CredentialKind) -> dict[str, forms.Field]:
    if kind.fields.is_open:
        return {
            "value": JsonObject(label="Fields", required=False, help_text="An object of texts that may be seen."),
            "secrets": JsonObject(label="Secret fields", required=False, help_text=f"An object of texts. {_SEALED}"),
        }
    optional = kind.fields.optional
    public: dict[str, forms.Field] = {
        name: forms.CharField(label=_words(name), required=name not in optional) for name in kind.fields.public
    }
    return public | {name: _hidden(_words(name), required=name not in optional) for name in kind.fields.secret}


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _hidden(label: str, *, required: bool = True) -> forms.CharField:
    widget = forms.PasswordInput({"autocomplete": "new-password"})
    return forms.CharField(label=label, required=required, strip=False, widget=widget, help_text=_SEALED)


class NewAssetForm(WorthForm):
    """Asks where it lives and what it is called as well."""

    asks_for = (Asset, _SETTINGS)
    sections = (Section("Who is given it", ("usable_by", "exclusive", "expires_at")),)
    folder = FolderField(help_text="It holds in the folders inside as well.")

    def offer(self) -> None:
        super().offer()
        folder: Any = self.fields["folder"]
        folder.offer(self.actor, "assets.add_asset")

    def clean(self) -> dict[str, Any]:
        return {**super().clean(), "type": self.about.type, "kind": self.about.kind}


class AssetForm(OperatorForm):
    """Asks what it is called and who is given it."""

    asks_for = (Asset, _SETTINGS)


class SetForm(WorthForm):
    """Asks what an asset is worth, and where."""

    folder = forms.ModelChoiceField(Folder.objects.none(), required=False, empty_label="Everywhere else")
    machine = forms.ModelChoiceField(Machine.objects.none(), required=False, empty_label="–")
    robot = forms.ModelChoiceField(Robot.objects.none(), required=False, empty_label="–")
    sections = (
        Section(
            "Where", ("folder", "machine", "robot"), "Choose one, or none. The nearest counts: robot, machine, folder."
        ),
    )

    def offer(self) -> None:
        super().offer()
        for name in ("folder", "machine", "robot"):
            field: Any = self.fields[name]
            field.queryset = field.queryset.filter(tenant_id=self.row.tenant_id).order_by("name")

    def clean(self) -> dict[str, Any]:
        asked = super().clean()
        chosen = {name: row for name in ("folder", "machine", "robot") if (row := asked.pop(name, None)) is not None}
        if len(chosen) > 1:
            raise forms.ValidationError("Choose one of folder, machine and robot, or none.")
        return asked | {"place": Place(**chosen)}


class ValueField(forms.ModelChoiceField):
    """A value of an asset, named by where it counts."""

    def label_from_instance(self, obj: Any) -> str:
        return str(obj.place)


class RemoveForm(OperatorForm):
    """Asks which value goes."""

    place = ValueField(AssetValue.objects.none(), label="Where", empty_label=None)

    def offer(self) -> None:
        field: Any = self.fields["place"]
        field.queryset = values_of(self.row).exclude(for_folder=None, for_machine=None, for_robot=None)

    def clean_place(self) -> Place:
        """Return the place that the value is for."""
        return Place(**self.cleaned_data["place"].place_columns)


def values_of(asset: Asset) -> QuerySet[AssetValue]:
    """Return what an asset is worth where, the one for everywhere else first."""
    values: QuerySet[AssetValue] = AssetValue.objects.filter(asset=asset).order_by("pk")
    return values.select_related("for_folder", "for_machine", "for_robot")


def _make(actor: Actor, asked: dict[str, Any]) -> tuple[Asset, None]:
    return services.create_asset(asked.pop("folder"), actor=actor, **asked), None


def shown(asset: Asset, value: Any) -> Any:
    """Return as much of a value as anybody may see."""
    if asset.type == AssetType.SECRET:
        return display.badge("sealed")
    if asset.type == AssetType.CREDENTIAL:
        return ", ".join(f"{_words(name)}: {text}" for name, text in (value or {}).items()) or display.badge("sealed")
    return display.as_json(value) if asset.type in (AssetType.JSON, AssetType.BOOLEAN) else value


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


@admin.register(Asset)
class AssetAdmin(OperatorAdmin):
    """Named values that automations read."""

    list_display = [
        "name",
        type_column,
        value_column,
        display.linked("folder", "Folder"),
        display.when("created_at", "Made"),
    ]
    list_filter = [choice("type"), ("folder", RelatedFilter), ("tenant", RelatedFilter)]
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
            initial=lambda asset: {name: getattr(asset, name) for name in _SETTINGS},
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
            [one.place, shown(row, one.value), display.moment(one.changed_at), one.changed_by] for one in values_of(row)
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
