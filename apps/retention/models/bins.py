"""The bin: which kinds of rows lie in it, what goes with each, and what is due to go."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import and_, or_
from typing import Any, Final
from uuid import UUID

from django.db.models import CharField, Exists, F, Model, OuterRef, Q, QuerySet, UUIDField, Value
from django.db.models.functions import Cast, Now

from apps.assets.models import Asset, AssetValue
from apps.configuration.models import Setting
from apps.core.actors import Actor
from apps.core.bin import IN_BIN
from apps.packages.models import Entrypoint, Package, PackageVersion
from apps.processes.models import Process, ProcessAsset, ProcessChild, ProcessLimit
from apps.queues.models import Queue, QueueSchema
from apps.rbac.models import RoleAssignment
from apps.robots.models import EnrolmentKeyFolder, Machine, MachineKey, Robot, RobotFolder, RobotToken
from apps.tenancy.models import Folder
from apps.triggers.models import Trigger

KEY: Final = "bin_retention_days"
_GROUP: Final = "retention"

#: A model and the way from its rows to the row in the bin.
Part = tuple[type[Model], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BinKind:
    """One kind of rows that lie in the bin; ``name`` is its collection in the API.

    ``erased`` goes when a row is purged, secrets above all; ``parts`` go with the row itself, once nothing else names
    it. Robots and machines are never removed (``stays``): jobs name them, without an index to find that by.
    """

    name: str
    model: Any
    title: str
    folder: str = "folder"
    erased: tuple[Part, ...] = ()
    parts: tuple[Part, ...] = ()
    #: What of it names its own parts.
    cleared: tuple[str, ...] = ()
    stays: bool = False

    @property
    def noun(self) -> str:
        """What one is called in the audit trail."""
        return str(self.model._meta.model_name)


_ALL: Final = (
    BinKind(name="triggers", model=Trigger, title="Trigger"),
    BinKind(
        name="processes",
        model=Process,
        title="Process",
        erased=(
            (ProcessLimit, "process"),
            (ProcessAsset, "process"),
            (ProcessChild, "parent"),
            (ProcessChild, "child"),
        ),
    ),
    BinKind(
        name="packages",
        model=Package,
        title="Package",
        parts=((Entrypoint, "version__package"), (PackageVersion, "package")),
    ),
    BinKind(name="queues", model=Queue, title="Queue", parts=((QueueSchema, "queue"),), cleared=("schema",)),
    BinKind(name="assets", model=Asset, title="Asset", erased=((AssetValue, "asset"), (ProcessAsset, "asset"))),
    BinKind(
        name="robots",
        model=Robot,
        title="Robot",
        folder="",
        erased=((RobotToken, "robot"), (RobotFolder, "robot"), (AssetValue, "for_robot")),
        stays=True,
    ),
    BinKind(
        name="machines",
        model=Machine,
        title="Machine",
        folder="",
        erased=((MachineKey, "machine"), (AssetValue, "for_machine")),
        stays=True,
    ),
    BinKind(
        name="folders",
        model=Folder,
        title="Folder",
        folder="parent",
        erased=(
            (RoleAssignment, "folder"),
            (RobotFolder, "folder"),
            (EnrolmentKeyFolder, "folder"),
            (AssetValue, "for_folder"),
        ),
    ),
)
#: In the order in which they go: what names others goes before them.
BIN: Final[dict[str, BinKind]] = {kind.name: kind for kind in _ALL}


@dataclass(frozen=True, slots=True)
class Binned:
    """One row in the bin."""

    kind: str
    id: UUID
    name: str
    tenant_id: UUID
    tenant: str
    folder_id: UUID | None
    folder: str | None
    deleted_at: datetime
    deleted_by: str
    goes_at: datetime


def binned(
    actor: Actor,
    *,
    kinds: Collection[str] = tuple(BIN),
    tenant: UUID | None = None,
    folder: UUID | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int,
) -> list[Binned]:
    """Return what of the bin the actor may see, what was deleted last first, behind ``after``; one query."""
    narrowed = Q() if tenant is None else Q(tenant=tenant)
    if after is not None:
        narrowed &= Q(deleted_at__lt=after[0]) | Q(deleted_at=after[0], pk__lt=after[1])
    asked = [kind for kind in BIN.values() if kind.name in kinds and (folder is None or kind.folder)]
    each = [_listed(kind, actor, narrowed if folder is None else narrowed & Q(**{kind.folder: folder}))[:limit]
            for kind in asked]  # fmt: skip
    if not each:
        return []
    first, *rest = each
    rows: Any = first.union(*rest, all=True).order_by("-deleted_at", "-id")[:limit] if rest else first
    days, own = Setting.objects.in_force(_GROUP)[KEY], Setting.objects.by_tenant(_GROUP, KEY)
    return [Binned(*[*row, row[7] + timedelta(days=own.get(row[3], days))]) for row in rows]


def due_in_bin(values: Mapping[str, Any], limit: int) -> list[UUID]:
    """Return which rows are to be purged, of all kinds, up to a number."""
    found: list[UUID] = []
    for kind in BIN.values():
        found += due_of(kind, values, limit - len(found)) if len(found) < limit else []
    return found


def due_of(kind: BinKind, values: Mapping[str, Any], limit: int) -> list[UUID]:
    """Return which rows of a kind have lain for longer than they are kept."""
    own = Setting.objects.by_tenant(_GROUP, KEY)
    late = [Q(tenant=tenant, deleted_at__lt=_before(days)) for tenant, days in own.items()]
    others = Q(deleted_at__lt=_before(values[KEY])) & ~Q(tenant__in=list(own))
    rows = kind.model._base_manager.filter(reduce(or_, late, others), purged_at=None, deleted_at__isnull=False)
    return list(rows.order_by("deleted_at").values_list("pk", flat=True)[:limit])


def unnamed(kind: BinKind, limit: int) -> list[UUID]:
    """Return which purged rows of a kind nothing names any more, but for what goes with them."""
    gone = [model for model, _ in (*kind.parts, *kind.erased)]
    paths = [*_naming(kind.model, "", gone)]
    for model, way in kind.parts:
        paths += [one for one in _naming(model, f"__{way}", gone) if one[0] is not kind.model]
    free = (~Q(Exists(model._base_manager.filter(**{path: OuterRef("pk")}))) for model, path in paths)
    rows = kind.model._base_manager.filter(reduce(and_, free, Q(purged_at__isnull=False)))
    return list(rows.values_list("pk", flat=True)[:limit])


def _naming(model: Any, way: str, gone: Collection[type[Model]]) -> Iterator[tuple[Any, str]]:
    """Yield each model that can name rows of a model, and the column it does so by."""
    for one in model._meta.get_fields(include_hidden=True):
        is_named = one.auto_created and not one.concrete and (one.one_to_many or one.one_to_one)
        if is_named and one.related_model not in gone:
            yield one.related_model, f"{one.field.name}{way}"


def _listed(kind: BinKind, actor: Actor, narrowed: Q) -> QuerySet[Any, Any]:
    rows: QuerySet[Any, Any] = kind.model.objects.visible_to(actor).filter(IN_BIN, narrowed)
    nobody = Cast(Value(None), UUIDField()), Cast(Value(None), CharField())
    place = (F(f"{kind.folder}_id"), F(f"{kind.folder}__name")) if kind.folder else nobody
    facts = {"kind_": Value(kind.name), "place_id": place[0], "place_name": place[1]}
    names = ("kind_", "id", "name", "tenant_id", "tenant__name", "place_id", "place_name", "deleted_at", "deleted_by")
    listed: QuerySet[Any, Any] = rows.annotate(**facts).order_by("-deleted_at", "-id").values_list(*names)
    return listed


def _before(days: int) -> Any:
    return Now() - timedelta(days=days)
