"""Assets that running jobs read, and what is secret in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from apps.assets import services as assets
from apps.assets.models import Asset, AssetValue, UsableBy
from apps.assets.services import Delivered, NotUsable
from apps.core.actors import Actor
from apps.core.errors import NotFound
from apps.jobs.models import Execution, ExecutionStatus
from apps.processes.models import ProcessAsset
from apps.rbac import services as rbac


@dataclass(frozen=True, slots=True)
class Found:
    """An asset as an execution meets it."""

    asset: Asset
    execution: Execution


def find_asset(name: str, *, actor: Actor, within: Execution | None) -> Found:
    """Return the asset of this name that holds where a job runs: the nearest of its folder and those above.

    A robot that calls itself means any of the jobs that run on it. Raises ``NotFound`` alike for what is not there and
    for what the caller may not know of.
    """
    for execution in _running(actor, within):
        asset = Asset.objects.named(name, execution.folder)
        if asset is not None and rbac.allows(actor, "assets.view_asset", asset):
            return Found(asset, execution)
    raise NotFound(f"There is no asset “{name[:100]}” where this job runs.", code="unknown_asset")


def value_of(found: Found) -> AssetValue:
    """Return the value that counts for an execution. Raises ``NotFound`` where there is none."""
    value = found.asset.value_for(found.execution.robot, found.execution.folder)
    if value is None:
        raise NotFound(f"The asset “{found.asset.name}” has no value here.", code="no_value")
    return value


@transaction.atomic
def set_asset(found: Found, *, actor: Actor, value: Any = None, secrets: Mapping[str, str] | None = None) -> None:
    """Set what an asset is worth where nothing nearer counts, in the name of an execution that goes on.

    Raises ``NotUsable`` where the asset is for listed processes and this is none: who may not read a secret must not
    put another in its place. Raises ``Invalid``, ``Conflict``.
    """
    rbac.require(actor, "assets.set_asset", found.asset)
    if found.asset.usable_by == UsableBy.LISTED and not _is_listed(found):
        raise NotUsable(
            f"This process may not set the asset “{found.asset.name}”. Let whoever looks after it list it there.",
            permission="assets.set_asset",
            target=found.asset,
            actor=actor,
        )
    assets.set_value(found.asset, actor=actor, value=value, secrets=secrets)


def deliver_secret(found: Found, *, actor: Actor) -> Delivered:
    """Hand what is secret in an asset to an execution that goes on.

    Raises ``NotUsable``, ``NotFound``, ``Unavailable``. No transaction may wait for it.
    """
    rbac.require(actor, "assets.use_asset", found.asset)
    execution = found.execution
    return assets.deliver_asset(
        found.asset,
        actor=actor,
        robot=execution.robot,
        folder=execution.folder,
        execution=execution.pk,
        is_listed=_is_listed(found),
    )


def _is_listed(found: Found) -> bool:
    return ProcessAsset.objects.filter(process=found.execution.process_id, asset=found.asset).exists()


def _running(actor: Actor, within: Execution | None) -> Iterator[Execution]:
    """Yield the executions in whose name the caller may ask: its own, or those that run on it."""
    running = Execution.objects.filter(status=ExecutionStatus.RUNNING).select_related("robot", "folder")
    if within is not None:
        yield from running.filter(pk=within.pk)
    elif actor.is_robot:
        yield from running.filter(robot_id=actor.id).order_by("-pk")
