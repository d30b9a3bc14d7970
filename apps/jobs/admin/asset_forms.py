"""Forms of assets: what they are worth, with a field for each part of a credential, and where."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from django import forms
from django.db.models import QuerySet

from apps.assets.models import Asset, AssetValue, CredentialStore, StoreType
from apps.assets.rules import AssetType, CredentialKind, Fields
from apps.assets.services import EVERYWHERE, REASON_LENGTH, Elsewhere, Place
from apps.core.admin.forms import OperatorForm, Section
from apps.core.admin.typed_json import JsonObject, JsonText
from apps.robots.models import Machine, Robot
from apps.tenancy.admin.places import FolderField
from apps.tenancy.models import Folder

_SEALED: Final = "Never shown again, to anybody."
SETTINGS: Final = ("name", "description", "usable_by", "exclusive", "expires_at", "notice_days")
_SCHEMA_HELP: Final = (
    "Optional. A JSON Schema whose properties are its fields, all of them texts; those with writeOnly are sealed. "
    "From then on values must fit it."
)


_ELSEWHERE: Final = Section(
    "From another store", ("store", "path", "keys"), "What is secret may lie in a store of others instead of here."
)


class WorthForm(OperatorForm):
    """Asks what an asset is worth, with a field for each part of a credential."""

    @property
    def about(self) -> Asset:
        """The asset there is, or the one that is to be."""
        asset: Asset = self.row or self.place
        return asset

    def offer(self) -> None:
        """Ask for what its type has, and where that lies if there are stores of others."""
        parts = _fields_of(self.about)
        stores = CredentialStore.objects.alive().filter(type=StoreType.VAULT).visible_to(self.actor)
        stores = stores.filter(tenant_id=self.row.tenant_id) if self.row is not None else stores
        if self.about.is_secret and stores.exists():
            for name in self.about.fields.secret:
                parts[name].required = False
            parts |= _fields_of_stores(stores)
        self.fields |= parts

    def clean(self) -> dict[str, Any]:
        """Return what was filled in as the services take it."""
        asked: dict[str, Any] = dict(super().clean() or {})
        store, path, keys = (asked.pop(name, None) for name in _ELSEWHERE.fields)
        worth = self._worth(asked)
        if store is None:
            return worth
        hidden = {name: text for name, text in (worth["secrets"] or {}).items() if text}
        return worth | {"secrets": hidden, "elsewhere": Elsewhere(store, path or "", keys or {})}

    def _worth(self, asked: dict[str, Any]) -> dict[str, Any]:
        if self.about.type == AssetType.SECRET:
            return asked | {"value": None, "secrets": {"value": asked.get("value", "")}}
        if not self.about.kind:
            return asked | {"secrets": None}
        parts = self.about.fields
        if parts.is_open:
            return asked | {"value": asked.get("value") or {}, "secrets": asked.get("secrets") or {}}
        public, hidden = (_taken(asked, names) for names in (parts.public, parts.secret))
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
            return _fields_of_credential(asset.fields)
        case _:
            widget = forms.Textarea({"rows": 3})
            return {"value": forms.CharField(required=False, strip=False, widget=widget)}


def _fields_of_credential(parts: Fields) -> dict[str, forms.Field]:
    if parts.is_open:
        return {
            "value": JsonObject(label="Fields", required=False, help_text="An object of texts that may be seen."),
            "secrets": JsonObject(label="Secret fields", required=False, help_text=f"An object of texts. {_SEALED}"),
        }
    optional = parts.optional
    public: dict[str, forms.Field] = {
        name: forms.CharField(label=words(name), required=name not in optional) for name in parts.public
    }
    return public | {name: _hidden(words(name), required=name not in optional) for name in parts.secret}


def _fields_of_stores(stores: QuerySet[CredentialStore]) -> dict[str, forms.Field]:
    return {
        "store": forms.ModelChoiceField(stores.order_by("name"), required=False, empty_label="Here, sealed"),
        "path": forms.CharField(required=False, max_length=500, help_text="Such as team/bank."),
        "keys": JsonObject(required=False, help_text="An object: secret field, and its key there if not the same."),
    }


def words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _hidden(label: str, *, required: bool = True) -> forms.CharField:
    widget = forms.PasswordInput({"autocomplete": "new-password"})
    return forms.CharField(label=label, required=required, strip=False, widget=widget, help_text=_SEALED)


class NewAssetForm(WorthForm):
    """Asks where it lives and what it is called as well."""

    asks_for = (Asset, SETTINGS)
    sections = (
        Section("Who is given it", ("usable_by", "exclusive")),
        Section("Until when", ("expires_at", "notice_days")),
        _ELSEWHERE,
    )
    folder = FolderField(help_text="It holds in the folders inside as well.")

    def offer(self) -> None:
        super().offer()
        if self.about.kind == CredentialKind.CUSTOM:
            self.fields["schema"] = JsonObject(required=False, help_text=_SCHEMA_HELP)
        folder: Any = self.fields["folder"]
        folder.offer(self.actor, "assets.add_asset")

    def clean(self) -> dict[str, Any]:
        return {**super().clean(), "type": self.about.type, "kind": self.about.kind}


class AssetForm(OperatorForm):
    """Asks what it is called and who is given it."""

    asks_for = (Asset, SETTINGS)
    sections = (Section("Until when", ("expires_at", "notice_days")),)


class SetForm(WorthForm):
    """Asks what an asset is worth, and where."""

    folder = forms.ModelChoiceField(Folder.objects.none(), required=False, empty_label="Everywhere else")
    machine = forms.ModelChoiceField(Machine.objects.none(), required=False, empty_label="–")
    robot = forms.ModelChoiceField(Robot.objects.none(), required=False, empty_label="–")
    sections = (
        Section(
            "Where", ("folder", "machine", "robot"), "Choose one, or none. The nearest counts: robot, machine, folder."
        ),
        _ELSEWHERE,
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


class RevealForm(OperatorForm):
    """Asks why, and what: one field of the value in one place."""

    reason = forms.CharField(
        label="Reason",
        min_length=REASON_LENGTH[0],
        max_length=REASON_LENGTH[1],
        help_text="It is kept in the audit trail, with your name.",
    )
    place = ValueField(AssetValue.objects.none(), label="Where", required=False, empty_label="Everywhere else")

    def offer(self) -> None:
        places: Any = self.fields["place"]
        places.queryset = values_of(self.row).exclude(for_folder=None, for_machine=None, for_robot=None)
        named = self.row.fields.secret
        if len(named) > 1:
            self.fields["field"] = forms.ChoiceField(label="What", choices=[(name, words(name)) for name in named])
        elif not named:
            self.fields["field"] = forms.CharField(label="Field", help_text="The name of the secret field.")

    def clean_place(self) -> Place:
        """Return the place that the value is for."""
        value = self.cleaned_data["place"]
        return Place(**value.place_columns) if value is not None else EVERYWHERE


def values_of(asset: Asset) -> QuerySet[AssetValue]:
    """Return what an asset is worth where, the one for everywhere else first."""
    values: QuerySet[AssetValue] = AssetValue.objects.filter(asset=asset).order_by("pk")
    return values.select_related("for_folder", "for_machine", "for_robot", "store")
