"""Checking values and storing them. Everything here runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models.functions import Now

from apps.assets.models import Asset, AssetValue, CredentialStore
from apps.assets.rules import AssetType, CredentialKind, is_path, problems_of
from apps.core import outgoing
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid
from apps.core.outgoing import AddressRefused
from apps.rbac import services as rbac
from apps.robots.models import Machine, Robot
from apps.tenancy.models import Folder

MOST_VALUES = 1_000
"""Values of one asset."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value counts: on one robot, on one machine, in one folder and below, or everywhere else."""

    folder: Folder | None = None
    machine: Machine | None = None
    robot: Robot | None = None

    @property
    def columns(self) -> dict[str, Any]:
        return {"for_folder": self.folder, "for_machine": self.machine, "for_robot": self.robot}


EVERYWHERE = Place()


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where in a store of others the secret fields lie: a path there, and their names where those differ."""

    store: CredentialStore
    path: str
    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checked:
    """A value that fits its asset: what may be seen of it, and what is to be sealed or where it lies instead."""

    value: Any
    secrets: Mapping[str, str]
    elsewhere: Elsewhere | None = None


def lock(asset: Asset) -> None:
    """Read an asset again and hold it. Raises ``Conflict`` where it was deleted meanwhile."""
    asset.refresh_from_db(from_queryset=Asset.objects.select_for_update(of=("self",)))
    if asset.deleted_at is not None:
        raise Conflict(f"The asset “{asset.name}” was deleted.", code="asset_deleted")


def checked(asset: Asset, value: Any, secrets: Mapping[str, str] | None, elsewhere: Elsewhere | None = None) -> Checked:
    """Return a value if it fits. Raises ``Invalid`` naming each wrong field, never with what is in it."""
    if asset.type == AssetType.CREDENTIAL and value is None:
        value = {}
    if elsewhere is not None and elsewhere.store.is_default:
        elsewhere = None
    if secrets and not asset.is_secret:
        raise Invalid.field("secrets", "this type of asset has none.")
    if elsewhere is not None:
        return _checked_elsewhere(asset, value, secrets, elsewhere)
    problems = problems_of(AssetType(asset.type), asset.kind, value, secrets, schema=asset.schema)
    if not problems and asset.kind == CredentialKind.OAUTH2:
        _refuse_unfit_address(value["token_url"])
    if problems:
        raise Invalid("; ".join(f"{p.field}: {p.message}" for p in problems), problems=problems)
    return Checked(value, secrets or {})


def _checked_elsewhere(asset: Asset, value: Any, secrets: Mapping[str, str] | None, elsewhere: Elsewhere) -> Checked:
    if not asset.is_secret:
        raise Invalid.field("store", "only what is secret lies in a store.")
    if elsewhere.store.tenant_id != asset.tenant_id or elsewhere.store.deleted_at is not None:
        raise Invalid.field("store", "There is no such store.", code="unknown")
    if secrets:
        raise Invalid.field("secrets", f"what lies in the store “{elsewhere.store}” is set there.")
    if not is_path(elsewhere.path):
        raise Invalid.field("path", "name the secret in the store, such as team/bank, without a slash at its ends.")
    parts = asset.fields
    if not parts.is_open and (foreign := set(elsewhere.keys) - set(parts.secret)):
        raise Invalid.field("keys", f"name secret fields only, not {', '.join(sorted(foreign))}.")
    if parts.is_open and not elsewhere.keys:
        raise Invalid.field("keys", "name the secret fields, each with its key in the store.")
    # What is there is not known here: as if it were, so that all else is checked.
    assumed = dict.fromkeys(elsewhere.keys if parts.is_open else parts.secret, "x")
    problems = problems_of(AssetType(asset.type), asset.kind, value, assumed)  # No schema: it would judge those.
    if problems:
        raise Invalid("; ".join(f"{p.field}: {p.message}" for p in problems), problems=problems)
    if asset.kind == CredentialKind.OAUTH2:
        _refuse_unfit_address(value["token_url"])
    return Checked(value, {}, elsewhere)


def _refuse_unfit_address(url: str) -> None:
    try:
        outgoing.refuse_address(url)
    except AddressRefused as refusal:
        raise Invalid.field("token_url", str(refusal), code=refusal.code) from refusal


def store(asset: Asset, place: Place, given: Checked, *, actor: Actor) -> AssetValue:
    """Store the value of a locked asset for a place, over the one that is there."""
    value = asset.values.filter(**place.columns).first()
    if value is None:
        if asset.values.count() >= MOST_VALUES:
            raise Conflict(f"An asset has at most {MOST_VALUES} values.", code="too_many_values")
        value = AssetValue(tenant_id=asset.tenant_id, asset=asset, **place.columns)
    value.value, value.changed_by, value.changed_at = given.value, str(actor), Now()
    value.sealed = value.token = ""
    value.token_until = None
    there = given.elsewhere
    if there is not None:
        rbac.require(actor, "assets.use_credentialstore", there.store)
    value.store, value.path, value.keys = (there.store, there.path, dict(there.keys)) if there else (None, "", {})
    if asset.is_secret and there is None:
        value.seal(given.secrets)
    value.save()
    return value
