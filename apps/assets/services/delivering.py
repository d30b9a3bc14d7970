"""Handing out what is secret, to whom it is meant for and nobody else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.assets.models import Asset, UsableBy
from apps.assets.services._sources import delivered
from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import NotAllowed, NotFound, Unavailable
from apps.rbac import services as rbac
from apps.robots.models import Robot
from apps.tenancy.models import Folder


class NotUsable(NotAllowed):
    """The process may not use this asset; who looks after the asset can list it."""

    code = "asset_not_usable"


@dataclass(frozen=True, slots=True)
class Delivered:
    """What an asset is worth in one place: what may be seen of it, and what was sealed."""

    asset: Asset
    value: Any
    secrets: Mapping[str, str]


def deliver_asset(
    asset: Asset, *, actor: Actor, robot: Robot, folder: Folder, execution: UUID, is_listed: bool
) -> Delivered:
    """Hand out the secrets of an asset for an execution that goes on, on ``robot`` in ``folder``.

    The caller has seen that the execution is open, and whether its process is listed for the asset. Raises
    ``NotUsable``, ``NotFound`` where nothing is stored for that place, and ``Unavailable`` where it lies elsewhere and
    cannot be had. It may call others over the network: no transaction may wait for it.
    """
    rbac.require(actor, "assets.use_asset", asset)
    if asset.usable_by == UsableBy.LISTED and not is_listed:
        raise NotUsable(
            f"This process may not use the asset “{asset.name}”. Let whoever looks after the asset list it there.",
            permission="assets.use_asset",
            target=asset,
            actor=actor,
        )
    value = asset.value_for(robot, folder)
    if value is None:
        raise NotFound(f"The asset “{asset.name}” has no value here.", code="no_value")
    facts = {"execution": str(execution), "place": value.place}
    try:
        public, secrets = delivered(value)
    except Unavailable as refusal:
        with transaction.atomic():
            audit.record(actor, "asset.not_delivered", asset, after=facts | {"why": str(refusal)})
        raise
    with transaction.atomic():
        audit.record(actor, "asset.delivered", asset, after=facts)
    return Delivered(asset, public, secrets)
