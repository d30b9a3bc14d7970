"""What the jobs of a process may start and use. Runs inside the caller's transaction, with the process locked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apps.assets.models import Asset
from apps.core.actors import Actor
from apps.core.errors import Invalid
from apps.processes.models import Process, ProcessAsset, ProcessChild
from apps.rbac import services as rbac


def let_start(process: Process, may_start: Iterable[Process], actor: Actor) -> None:
    """Set what the jobs of a process may start. Who may not run a process must not reach it through another's jobs."""
    wanted = {child.pk: child for child in may_start}
    _refuse_foreign(process, wanted.values(), field="may_start", noun="processes")
    known = dict(process.process_children.values_list("child_id", "pk"))
    for pk in wanted.keys() - known.keys():
        rbac.require(actor, "processes.run_process", wanted[pk])
    dropped = Process.objects.visible_to(actor).filter(pk__in=known.keys() - wanted.keys())
    process.process_children.filter(child__in=dropped).delete()
    ProcessChild.objects.bulk_create(
        [ProcessChild(tenant_id=process.tenant_id, parent=process, child_id=pk) for pk in wanted.keys() - known.keys()]
    )


def let_use(process: Process, may_use: Iterable[Asset], actor: Actor) -> None:
    """Set which secrets the jobs of a process are given. Who may not use one must not get at it through a process."""
    wanted = {asset.pk: asset for asset in may_use}
    _refuse_foreign(process, wanted.values(), field="may_use", noun="assets")
    known = set(process.process_assets.values_list("asset_id", flat=True))
    for pk in wanted.keys() - known:
        rbac.require(actor, "assets.use_asset", wanted[pk])
    dropped = Asset.objects.visible_to(actor).filter(pk__in=known - wanted.keys())
    process.process_assets.filter(asset__in=dropped).delete()
    ProcessAsset.objects.bulk_create(
        [ProcessAsset(tenant_id=process.tenant_id, process=process, asset_id=pk) for pk in wanted.keys() - known]
    )


def require_use(process: Process, actor: Actor) -> None:
    """Ask whether the actor may use what the jobs of a process are given: other code would get it from now on."""
    for asset in Asset.objects.alive().filter(process_assets__process=process).select_related("folder"):
        rbac.require(actor, "assets.use_asset", asset)


def facts_of(process: Process) -> dict[str, Any]:
    """Return the names of what its jobs may start and use."""
    return {
        "may_start": sorted(process.may_start.values_list("name", flat=True)),
        "may_use": sorted(process.process_assets.values_list("asset__name", flat=True)),
    }


def _refuse_foreign(process: Process, wanted: Iterable[Any], *, field: str, noun: str) -> None:
    if any(one.tenant_id != process.tenant_id or one.deleted_at is not None for one in wanted):
        raise Invalid.field(field, f"name {noun} of this tenant that still exist.", code="unknown")
