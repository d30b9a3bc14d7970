"""Pages of tables that grow without end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Final

from django.db.models import Model, QuerySet
from rest_framework.views import APIView

from apps.core.api.pagination import NewestFirst
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


class NewestOfEachPlace(NewestFirst):
    """Reads the newest rows of each tenant and folder that the caller sees, and takes the newest of those.

    "All I may see" is a condition no index answers: it would have to walk past the rows of everybody else. Each place
    has an index of its own. The view names its permission in ``view_permission`` and its indexes, the narrowest first,
    in ``paths``.

    A part is read along the index chosen here, in the index's own order. Left to itself the planner expects the rows
    of one process, say, spread evenly, and walks back from the newest row of all until it has met enough of them:
    where they are all old, that is a walk through the whole table.
    """

    def fetch(self, rows: QuerySet, count: int, view: APIView | None) -> list[Any]:
        parts = list(_parts(rows.model, view))
        if len(parts) > MOST_PARTS:
            return list(rows[:count])
        return list(rows.filter(pk__in=_first_ids(rows, parts, count))) if parts else []


def _parts(model: type[Model], view: Any) -> Iterator[tuple[Bound, Path | None]]:
    """Yield what to read one after the other: to what each part is bound, and along which index it is read."""
    asked = _asked(model, view)
    reach = rbac.reach(view.actor, view.view_permission)
    direct = [(wanted, path) for wanted in asked if (path := _path(wanted, view.paths)) is not None]
    if len(direct) == len(asked):
        yield from (part for part in direct if reach.touches(_tenant_of(model, *part)))
        return
    for place, wanted in product(_places(reach, model), asked):
        if not any(name in wanted and wanted[name] != value for name, value in place.items()):
            bound = {**wanted, **place}
            yield bound, _path(bound, view.paths)


def _path(bound: Bound, paths: tuple[Path, ...]) -> Path | None:
    return next((path for path in paths if path.serves(bound)), None)


def _tenant_of(model: type[Model], bound: Bound, path: Path) -> Any:
    """Return the tenant of the rows that are bound to one process, folder or robot: it is the same for all of them."""
    rows = _ids_of_part(model._base_manager.order_by("-id"), {name: bound[name] for name in path.columns}, path)
    return rows.values_list("tenant_id", flat=True).first() if "tenant_id" not in bound else bound["tenant_id"]


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


def _first_ids(rows: QuerySet, parts: list[tuple[Bound, Path | None]], count: int) -> list[Any]:
    """Return the ids of the first ``count`` rows of all parts together."""
    plain = rows.select_related(None)
    found = [_ids_of_part(plain, bound, path)[:count] for bound, path in parts]
    order = str(rows.query.order_by[0])
    first = found[0] if len(found) == 1 else found[0].union(*found[1:]).order_by(order)[:count]
    return [row["id"] for row in first]


def _ids_of_part(rows: QuerySet, bound: Bound, path: Path | None) -> QuerySet:
    order = str(rows.query.order_by[0])
    if path is None:
        return rows.filter(**_equal(bound)).values("id")
    # As ranges of one value: a column known to be constant would drop out of the order, and leave the planner free.
    along = {f"{name}__{end}": bound[name] for name in path.columns for end in ("gte", "lte")}
    beside = _equal({name: value for name, value in bound.items() if name not in path.columns})
    sign = "-" if order.startswith("-") == path.is_key else ""
    return rows.filter(**along, **beside).order_by(*(sign + name for name in path.columns), order).values("id")


def _equal(bound: Bound) -> dict[str, Any]:
    return {f"{name}__isnull" if value is None else name: value is None or value for name, value in bound.items()}
