"""Making and changing assets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from apps.assets.models import Asset, UsableBy
from apps.assets.rules import AssetType, CredentialKind, refuse_unfit_schema
from apps.assets.services import _writing
from apps.assets.services._writing import Elsewhere
from apps.audit import services as audit
from apps.core import bin
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, Problem
from apps.events import services as events
from apps.rbac import services as rbac
from apps.tenancy.models import Folder

#: What a caller may set; type, kind and schema never change, because what is stored was checked by them.
SETTABLE = ("name", "description", "usable_by", "exclusive", "expires_at", "notice_days")


@transaction.atomic
def create_asset(
    folder: Folder,
    *,
    actor: Actor,
    type: str,
    value: Any = None,
    secrets: Mapping[str, str] | None = None,
    elsewhere: Elsewhere | None = None,
    kind: str = "",
    schema: Any = None,
    **fields: Any,
) -> Asset:
    """Make an asset in ``folder`` with the value that counts where no other does.

    ``value`` is what may be seen of it: all of it, or the public fields of a credential of a ``kind``. ``secrets`` are
    sealed: ``{"value": …}`` of a secret, the secret fields of a credential. ``schema`` names the fields of a credential
    of a kind of one's own, ``elsewhere`` the store of others in which the secret ones lie. Raises ``Invalid`` naming
    each wrong field.
    """
    rbac.require(actor, "assets.add_asset", folder)
    asset = Asset(folder=folder, tenant_id=folder.tenant_id, type=type, kind=kind, schema=schema)
    _fill(asset, fields)
    _refuse_unfit_kind(asset)
    checked = _writing.checked(asset, value, secrets, elsewhere)
    _save(asset)
    _writing.store(asset, _writing.EVERYWHERE, checked, actor=actor)
    audit.record(actor, "asset.created", asset, after=_facts(asset) | {"type": type, "kind": kind})
    events.record("asset.created", asset)
    return asset


@transaction.atomic
def update_asset(asset: Asset, *, actor: Actor, **fields: Any) -> Asset:
    """Change any of ``SETTABLE``. Raises ``Invalid``, ``Conflict``."""
    rbac.require(actor, "assets.change_asset", asset)
    _writing.lock(asset)
    before = _facts(asset)
    _fill(asset, fields)
    if asset.expires_at != before["expires_at"] or asset.notice_days != before["notice_days"]:
        asset.told_expiring_at = asset.told_expired_at = None
    _save(asset)
    audit.record(actor, "asset.updated", asset, before=before, after=_facts(asset))
    events.record("asset.updated", asset)
    return asset


@transaction.atomic
def delete_asset(asset: Asset, *, actor: Actor) -> None:
    """Take an asset out of every list. Jobs that ask for it from now on are told that there is none."""
    rbac.require(actor, "assets.delete_asset", asset)
    _writing.lock(asset)
    bin.put(asset, by=actor)
    audit.record(actor, "asset.deleted", asset, before=_facts(asset))
    events.record("asset.deleted", asset)


@transaction.atomic
def restore_asset(asset: Asset, *, actor: Actor, name: str | None = None) -> Asset:
    """Take an asset back out of the bin with all its values. Raises ``Conflict`` as ``bin.take_back`` does."""
    rbac.require(actor, "assets.delete_asset", asset)
    bin.take_back(asset, name=name)
    audit.record(actor, "asset.restored", asset, after=_facts(asset))
    events.record("asset.restored", asset)
    return asset


def _facts(asset: Asset) -> dict[str, Any]:
    return {name: getattr(asset, name) for name in SETTABLE}


def _fill(asset: Asset, fields: dict[str, Any]) -> None:
    if unknown := set(fields) - set(SETTABLE):
        raise Invalid("Unknown fields.", problems=[Problem(name, "is not a field.") for name in sorted(unknown)])
    for name, value in fields.items():
        setattr(asset, name, value)
    asset.name = asset.name.strip()
    try:
        asset.clean_fields(exclude=["folder", "tenant"])
    except ValidationError as error:
        problems = [Problem(name, text) for name, texts in error.message_dict.items() for text in texts]
        raise Invalid("; ".join(f"{p.field}: {p.message}" for p in problems), problems=problems) from error
    if asset.exclusive and asset.usable_by != UsableBy.LISTED:
        raise Invalid.field("exclusive", "only an asset for listed processes can be for one execution at a time.")


def _refuse_unfit_kind(asset: Asset) -> None:
    if asset.type == AssetType.CREDENTIAL and not asset.kind:
        raise Invalid.field("kind", "say of what kind the credential is.", code="required")
    if asset.type != AssetType.CREDENTIAL and asset.kind:
        raise Invalid.field("kind", "only credentials have one.")
    if asset.schema is None:
        return
    if asset.kind != CredentialKind.CUSTOM:
        raise Invalid.field("schema", "only credentials of the kind custom have one.")
    refuse_unfit_schema(asset.schema)


def _save(asset: Asset) -> None:
    try:
        with transaction.atomic():
            asset.save()
    except IntegrityError as error:
        if "asset_name_free" not in str(error):
            raise
        raise Conflict(f"The folder has an asset “{asset.name}” already.", code="name_taken", field="name") from error
