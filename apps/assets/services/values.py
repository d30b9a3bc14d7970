"""What assets are worth, and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from apps.assets.models import Asset, AssetValue
from apps.assets.services import _writing
from apps.assets.services._writing import EVERYWHERE, Elsewhere, Place
from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotFound
from apps.events import services as events
from apps.rbac import services as rbac


@transaction.atomic
def set_value(
    asset: Asset,
    *,
    actor: Actor,
    value: Any = None,
    secrets: Mapping[str, str] | None = None,
    elsewhere: Elsewhere | None = None,
    place: Place = EVERYWHERE,
) -> AssetValue:
    """Set what an asset is worth: everywhere else, or in one place. ``value`` and ``secrets`` are as for a new one;
    ``elsewhere`` names the store of others in which the secret fields lie.

    Raises ``Invalid`` naming each wrong field, ``Conflict``.
    """
    rbac.require(actor, "assets.set_asset", asset)
    _refuse_foreign(asset, place)
    _writing.lock(asset)
    stored = _writing.store(asset, place, _writing.checked(asset, value, secrets, elsewhere), actor=actor)
    audit.record(actor, "asset.set", asset, after={"place": stored.place, "value": stored.value} | _where(stored))
    events.record("asset.set", asset, data={"place": stored.place}, actor=actor)
    return stored


@transaction.atomic
def remove_value(asset: Asset, *, actor: Actor, place: Place) -> None:
    """Take the value of one place away, so that the next nearest counts. Raises ``NotFound``, ``Conflict``."""
    rbac.require(actor, "assets.set_asset", asset)
    _writing.lock(asset)
    found = asset.values.filter(**place.columns).first()
    if found is None:
        raise NotFound("It has no value of its own there.", code="no_value")
    if place == EVERYWHERE:
        raise Conflict("An asset keeps the value that counts where no other does.", code="last_value")
    found.delete()
    audit.record(actor, "asset.value_removed", asset, before={"place": found.place, "value": found.value})
    events.record("asset.set", asset, data={"place": found.place}, actor=actor)


def _where(stored: AssetValue) -> dict[str, Any]:
    return {"store": stored.store.name, "path": stored.path} if stored.store is not None else {}


def _refuse_foreign(asset: Asset, place: Place) -> None:
    """Refuse a place that lies in another tenant, or a folder in which the asset does not hold."""
    for name, what in (("folder", place.folder), ("machine", place.machine), ("robot", place.robot)):
        if what is not None and what.tenant_id != asset.tenant_id:
            raise Invalid.field(name, f"There is no such {name}.", code="unknown")
    if place.folder is not None and not place.folder.path.startswith(asset.folder.path):
        raise Invalid.field("folder", "must be the asset's folder or one below it: it does not hold elsewhere.")
