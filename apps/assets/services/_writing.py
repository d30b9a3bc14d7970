"""Checking values and storing them. Everything here runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models.functions import Now

from apps.assets.models import Asset, AssetValue
from apps.assets.rules import AssetType, problems_of
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid
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
class Checked:
    """A value that fits its asset: what may be seen of it, and what is to be sealed."""

    value: Any
    secrets: Mapping[str, str]


def lock(asset: Asset) -> None:
    """Read an asset again and hold it. Raises ``Conflict`` where it was deleted meanwhile."""
    asset.refresh_from_db(from_queryset=Asset.objects.select_for_update(of=("self",)))
    if asset.deleted_at is not None:
        raise Conflict(f"The asset “{asset.name}” was deleted.", code="asset_deleted")


def checked(asset: Asset, value: Any, secrets: Mapping[str, str] | None) -> Checked:
    """Return a value if it fits. Raises ``Invalid`` naming each wrong field, never with what is in it."""
    if asset.type == AssetType.CREDENTIAL and value is None:
        value = {}
    if secrets and not asset.is_secret:
        raise Invalid.field("secrets", "this type of asset has none.")
    problems = problems_of(AssetType(asset.type), asset.kind, value, secrets, schema=asset.schema)
    if problems:
        raise Invalid("; ".join(f"{p.field}: {p.message}" for p in problems), problems=problems)
    return Checked(value, secrets or {})


def store(asset: Asset, place: Place, given: Checked, *, actor: Actor) -> AssetValue:
    """Store the value of a locked asset for a place, over the one that is there."""
    value = asset.values.filter(**place.columns).first()
    if value is None:
        if asset.values.count() >= MOST_VALUES:
            raise Conflict(f"An asset has at most {MOST_VALUES} values.", code="too_many_values")
        value = AssetValue(tenant_id=asset.tenant_id, asset=asset, **place.columns)
    value.value, value.changed_by, value.changed_at = given.value, str(actor), Now()
    value.sealed = ""
    if asset.is_secret:
        value.seal(given.secrets)
    value.save()
    return value
