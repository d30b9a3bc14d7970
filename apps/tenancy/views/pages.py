"""Tables that grow without end, read page by page along indexes that we choose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, ClassVar, Final

from django.db.models import Model, Q, QuerySet
from rest_framework.views import APIView

from apps.core.api.pagination import NewestFirst
from apps.core.api.ranges import within
from apps.core.api.rows import RowViewSet
from apps.rbac import services as rbac

#: From more parts than this a page is read in one piece.
MOST_PARTS: Final = 128
#: What a part of a page is bound to: values by column.
Bound = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Path:
    """An index ``(columns…, id descending)``, and by column the values for which another way is better.

    In a key, ``(tenant, id)``, the id rises: it is read backwards as a whole.
    """

    columns: tuple[str, ...]
    unless: Mapping[str, frozenset[str]] = field(default_factory=dict)
    is_key: bool = False

    def serves(self, bound: Bound) -> bool:
        """Say whether rows that are bound so are best read along this index."""
        is_excepted = any(bound.get(name) in values for name, values in self.unless.items())
        return not is_excepted and all(bound.get(name) is not None for name in self.columns)


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that are read one after the other: to what they are bound, which of them show, and along which index."""

    bound: Bound
    path: Path | None
    shown: Q = field(default_factory=Q)


class NewestOfEachPlace(NewestFirst):
    """Reads the newest rows of each tenant and folder that the caller sees, and takes the newest of those.

    "All I may see" is a condition no index answers: it would have to walk past the rows of everybody else. Each place
    has an index of its own. Left to itself the planner also expects the rows of one process, say, spread evenly, and
    walks back from the newest row of all until it has met enough of them: where they are all old, that is a walk
    through the whole table.
    """

    def fetch(self, rows: QuerySet, count: int, view: APIView | None) -> list[Any]:
        caller: Any = view
        visible = rbac.visible(rows, caller.actor, caller.view_permission)
        parts = list(_parts(rows.model, caller))
        if len(parts) > MOST_PARTS:
            return list(visible[:count])
        return list(visible.filter(pk__in=_first_ids(rows, parts, count))) if parts else []


class BigTableViewSet(RowViewSet):
    """Rows of a table that grows without end.

    ``view_permission`` is what it takes to see one. ``paths`` are the indexes a list is read along, the narrowest
    first. Columns in them are filtered by parameters named as they are (without ``_id``), and as ranges
    (``core.api.ranges``).
    """

    pagination_class = NewestOfEachPlace
    view_permission: ClassVar[str]
    paths: ClassVar[tuple[Path, ...]]

    def get_queryset(self) -> QuerySet:
        """Return the rows the caller may see; for a list all of them, because its pages narrow them place by place."""
        rows: QuerySet = self.queryset.all()
        if getattr(self, "swagger_fake_view", False):
            return rows.none()
        is_paged = self.action == "list" and issubclass(self.pagination_class, NewestOfEachPlace)
        return rows if is_paged else rbac.visible(rows, self.actor, self.view_permission)


def _parts(model: type[Model], view: Any) -> Iterator[Part]:
    asked = _asked(model, view)
    reach = rbac.reach(view.actor, view.view_permission)
    direct = [Part(wanted, path) for wanted in asked if (path := _path(wanted, view.paths)) is not None]
    if len(direct) == len(asked):
        for part in direct:
            yield from _shown_of(part, _tenant_of(model, part), reach)
        return
    for place, wanted in product(_places(reach, model), asked):
        if not any(name in wanted and wanted[name] != value for name, value in place.items()):
            bound = {**wanted, **place}
            yield Part(bound, _path(bound, view.paths))


def _shown_of(part: Part, tenant_id: Any, reach: rbac.Reach) -> Iterator[Part]:
    """Yield a part, all of whose rows are in one tenant, as far as it shows."""
    if reach.is_everywhere or tenant_id in reach.tenants:
        yield part
    elif reach.touches(tenant_id):
        shown = Q(folder_id__in=reach.folders) | Q(pk__in=reach.objects)
        yield Part(part.bound, part.path, shown)


def _path(bound: Bound, paths: tuple[Path, ...]) -> Path | None:
    return next((path for path in paths if path.serves(bound)), None)


def _tenant_of(model: type[Model], part: Part) -> Any:
    """Return the tenant of the rows that are bound to one process, folder or robot: it is the same for all of them."""
    if "tenant_id" in part.bound:
        return part.bound["tenant_id"]
    return _ids_of_part(model._base_manager.order_by("-id"), part).values_list("tenant_id", flat=True).first()


def _asked(model: type[Model], view: Any) -> list[Bound]:
    """Return what the request binds columns to; more than one where it names several values of a column."""
    columns = {name for path in view.paths for name in path.columns}
    given = {name: view.request.query_params.getlist(name.removesuffix("_id")) for name in sorted(columns)}
    values = {name: [_value(model, name, text) for text in texts] for name, texts in given.items() if texts}
    return [dict(zip(values, combination, strict=True)) for combination in product(*values.values())]


def _value(model: type[Model], name: str, text: str) -> Any:
    column: Any = next(one for one in model._meta.concrete_fields if one.attname == name)
    return column.to_python(text)


def _places(reach: rbac.Reach, model: type[Model]) -> list[Bound]:
    columns = {column.attname: column for column in model._meta.concrete_fields}
    places: list[Bound] = [{"tenant_id": tenant} for tenant in reach.tenants]
    if reach.is_everywhere and columns["tenant_id"].null:
        places.append({"tenant_id": None})
    if "folder_id" in columns:
        places += [{"folder_id": folder} for folder in reach.folders]
    return [*places, *({"id": shared} for shared in reach.objects)]


def _first_ids(rows: QuerySet, parts: list[Part], count: int) -> list[Any]:
    """Return the ids of the first ``count`` rows of all parts together."""
    found = [_ids_of_part(rows.select_related(None), part)[:count] for part in parts]
    order = str(rows.query.order_by[0])
    first = found[0] if len(found) == 1 else found[0].union(*found[1:]).order_by(order)[:count]
    return [row["id"] for row in first]


def _ids_of_part(rows: QuerySet, part: Part) -> QuerySet:
    order = str(rows.query.order_by[0])
    along = part.path.columns if part.path else ()
    beside = {name: value for name, value in part.bound.items() if name not in along}
    bounds = {key: value for name in along for key, value in within(name, part.bound[name]).items()}
    sign = "-" if part.path and order.startswith("-") == part.path.is_key else ""
    narrowed = rows.filter(part.shown, **bounds, **_equal(beside))
    return narrowed.order_by(*(sign + name for name in along), order).values("id")


def _equal(bound: Bound) -> dict[str, Any]:
    return {f"{name}__isnull" if value is None else name: value is None or value for name, value in bound.items()}
