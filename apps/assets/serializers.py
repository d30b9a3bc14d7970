"""Assets, as callers send and see them. What is secret only ever comes in."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rest_framework import serializers

from apps.assets.models import LONGEST_NOTICE, Asset, AssetValue, CredentialStore, Expiry, StoreType, UsableBy
from apps.assets.rules import LONGEST_NAME, AssetType, CredentialKind
from apps.assets.services import REASON_LENGTH, Elsewhere, Place
from apps.core.api.rows import ChangeSerializer, RowField, RowRef
from apps.core.api.serializers import InputSerializer, MomentField, NameField, OutputSerializer
from apps.core.errors import Invalid
from apps.robots.models import Machine, Robot
from apps.tenancy.models import Folder

TYPES = [(one.value, one.value) for one in AssetType]
KINDS = [(one.value, one.value) for one in CredentialKind]


class AssetOut(OutputSerializer):
    """A named value that automations read. What is secret in it is never shown."""

    folder = RowRef()
    value = serializers.SerializerMethodField(
        help_text="What counts where no nearer value does, as far as it may be seen: of a credential its public fields."
    )
    is_secret = serializers.BooleanField(help_text="Something in it is sealed.")
    expiry = serializers.ChoiceField(Expiry.choices, help_text="How near it is to the moment it expires.")

    class Meta:
        model = Asset
        fields = [
            "id", "tenant", "folder", "name", "description", "type", "kind", "is_secret", "usable_by", "exclusive",
            "value", "expires_at", "notice_days", "expiry", "created_at",
        ]  # fmt: skip

    def get_value(self, asset: Any) -> Any:
        return next((one.value for one in asset.own_value), None)


class UsingProcessOut(serializers.Serializer):
    """A process that may use an asset."""

    id = serializers.UUIDField(read_only=True)
    name = serializers.CharField(read_only=True)


class CredentialOut(AssetOut):
    """What logs in somewhere. What is secret in it is never shown."""

    schema = serializers.DictField(allow_null=True, help_text="Its fields, of the kind `custom`.")
    secret_fields = serializers.SerializerMethodField(help_text="The names of what is sealed, as far as its kind says.")
    changed_at = serializers.SerializerMethodField(help_text="When that value was set.")
    changed_by = serializers.SerializerMethodField(help_text="Who set it.")

    class Meta:
        model = Asset
        fields = [
            "id", "tenant", "folder", "name", "description", "kind", "schema", "secret_fields", "usable_by",
            "exclusive", "value", "changed_at", "changed_by", "expires_at", "notice_days", "expiry", "created_at",
        ]  # fmt: skip

    def get_secret_fields(self, asset: Any) -> list[str]:
        return list(asset.fields.secret)

    def get_changed_at(self, asset: Any) -> datetime | None:
        return next((one.changed_at for one in asset.own_value), None)

    def get_changed_by(self, asset: Any) -> str:
        return next((one.changed_by for one in asset.own_value), "")


class AssetValueOut(OutputSerializer):
    """What an asset is worth in one place."""

    folder = RowRef(source="for_folder", allow_null=True)
    machine = RowRef(source="for_machine", allow_null=True)
    robot = RowRef(source="for_robot", allow_null=True)
    value = serializers.JSONField(help_text="What may be seen of it.")
    store = RowRef(allow_null=True, help_text="The store of others in which its secret fields lie.")
    keys = serializers.DictField(help_text="What its secret fields are called there, if not as here.")
    place = serializers.CharField(help_text="Where it counts, in words.")

    class Meta:
        model = AssetValue
        fields = ["folder", "machine", "robot", "place", "value", "store", "path", "keys", "changed_at", "changed_by"]


class _Worth(InputSerializer):
    value = serializers.JSONField(
        required=False, allow_null=True, help_text="What may be seen of it: of a credential the public fields."
    )
    secrets = serializers.DictField(
        child=serializers.CharField(trim_whitespace=False, allow_blank=True),
        required=False,
        allow_null=True,
        write_only=True,
        help_text="What is sealed: `value` of a secret, the secret fields of a credential.",
    )
    store = RowField(
        CredentialStore.objects.alive(),
        required=False,
        help_text="Where the secret fields lie, if not here: they are read there at `path` whenever they are needed.",
    )
    path = serializers.CharField(max_length=500, required=False, help_text="Where in that store.")
    keys = serializers.DictField(
        child=serializers.CharField(max_length=200),
        required=False,
        help_text="What secret fields are called in that store, where not as here.",
    )


class _Settings(InputSerializer):
    name = NameField(max_length=LONGEST_NAME)
    description = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    usable_by = serializers.ChoiceField(UsableBy.choices, required=False)
    exclusive = serializers.BooleanField(
        required=False, help_text="One execution at a time has it; for listed processes only."
    )
    expires_at = MomentField(required=False, allow_null=True)
    notice_days = serializers.IntegerField(
        required=False, min_value=0, max_value=LONGEST_NOTICE, help_text="So long before it expires, an event says so."
    )


class _Made(_Settings, _Worth):
    folder = RowField(Folder.objects.alive(), required=False, help_text="Where it lives; it holds below as well.")
    schema = serializers.DictField(
        required=False,
        allow_null=True,
        help_text="Of the kind `custom`: a JSON Schema that names its fields. Those with `writeOnly` are sealed.",
    )


class CreateAsset(_Made):
    type = serializers.ChoiceField(TYPES)
    kind = serializers.ChoiceField(KINDS, required=False, help_text="Of a credential.")


class CreateCredential(_Made):
    kind = serializers.ChoiceField(KINDS)


class UpdateAsset(ChangeSerializer, _Settings):
    """Any of what can be set; its value is set by itself."""


class WhichPlace(InputSerializer):
    """Where a value counts: name one, or none for everywhere else."""

    folder = RowField(Folder.objects.alive(), required=False)
    machine = RowField(Machine.objects.alive(), required=False)
    robot = RowField(Robot.objects.alive(), required=False)


class SetValue(_Worth, WhichPlace):
    """A value, and where it counts."""


def worth_of(asked: dict[str, Any]) -> dict[str, Any]:
    """Put together what names a store of others."""
    store, path, keys = (asked.pop(name, None) for name in ("store", "path", "keys"))
    if store is None:
        if path or keys:
            raise Invalid.field("store", "name the store in which this lies.", code="required")
        return asked
    return asked | {"elsewhere": Elsewhere(store, path or "", keys or {})}


class Reveal(WhichPlace):
    """Why somebody looks at what is secret, and at which field of the value in which place."""

    reason = serializers.CharField(max_length=REASON_LENGTH[1], help_text="At least 5 characters. It stays.")
    field = serializers.CharField(max_length=200, required=False, help_text="Of a credential: which secret field.")


class RevealedOut(serializers.Serializer):
    """One secret, this once."""

    value = serializers.CharField(read_only=True)


class StoreOut(OutputSerializer):
    """A store of credentials. Its token is never shown."""

    is_default = serializers.BooleanField(help_text="Secrets lie there where no other store is named.")

    class Meta:
        model = CredentialStore
        fields = [
            "id", "tenant", "name", "type", "is_default", "description", "address", "namespace", "mount",
            "path_prefix", "created_at", "changed_at",
        ]  # fmt: skip


class _StoreFields(InputSerializer):
    name = NameField(max_length=LONGEST_NAME)
    description = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    address = serializers.CharField(max_length=500, required=False, help_text="https:// and a host, without a path.")
    namespace = serializers.CharField(max_length=200, required=False, allow_blank=True)
    mount = serializers.CharField(max_length=200, required=False, help_text="`secret` where nothing is said.")
    path_prefix = serializers.CharField(max_length=300, required=False, allow_blank=True)
    token = serializers.CharField(
        max_length=4000, required=False, write_only=True, help_text="Sealed. Left out of a change, it stays."
    )


class CreateStore(_StoreFields):
    type = serializers.ChoiceField(StoreType.choices, help_text="The one that is here is there already.")
    token = serializers.CharField(max_length=4000, write_only=True, help_text="Sealed.")


class UpdateStore(ChangeSerializer, _StoreFields):
    """Any of what can be set of a store."""


class TestedOut(serializers.Serializer):
    """The store answered, and lets us in."""

    ok = serializers.BooleanField(read_only=True)


def place_of(asked: dict[str, Any]) -> Place:
    """Take the place out of what was asked. Raises ``Invalid`` where it names several."""
    named = {name: asked.pop(name) for name in ("folder", "machine", "robot") if asked.get(name) is not None}
    if len(named) > 1:
        raise Invalid.field(next(iter(named)), "name one of folder, machine and robot, or none.")
    return Place(**named)
