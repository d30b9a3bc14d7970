"""Pages of tables that grow without end."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import Model, Q, QuerySet
from rest_framework.views import APIView

from apps.core.api.pagination import NewestFirst
from apps.rbac import services as rbac

#: From more places than this a page is read in one piece.
MOST_PLACES: Final = 64


class NewestOfEachPlace(NewestFirst):
    """Reads the newest rows of each tenant and folder that the caller sees, and takes the newest of those.

    "All I may see" is a condition no index answers: it would have to walk past the rows of everybody else. Each place
    has an index of its own. The view names its permission in ``view_permission``, and in ``one_at_a_time`` the filters
    whose several values an index does not answer together.
    """

    def fetch(self, rows: QuerySet, count: int, view: APIView | None) -> list[Any]:
        reach = rbac.reach(view.actor, view.view_permission)  # type: ignore[union-attr]
        places = _one_at_a_time(_places(reach, rows.model), view)
        if not places or len(places) > MOST_PLACES:
            return list(rows[:count])
        return list(rows.filter(pk__in=_first_ids(rows, places, count)))


def _places(reach: rbac.Reach, model: type[Model]) -> list[Q]:
    columns = {field.attname: field for field in model._meta.concrete_fields}
    places = [Q(tenant_id=tenant) for tenant in reach.tenants]
    if reach.is_everywhere and columns["tenant_id"].null:
        places.append(Q(tenant_id=None))
    if "folder_id" in columns:
        places += [Q(folder_id=folder) for folder in reach.folders]
    return [*places, Q(pk__in=reach.objects)] if reach.objects else places


def _one_at_a_time(places: list[Q], view: Any) -> list[Q]:
    """Read the rows of each wanted value by themselves too: an index gives those of one value in order."""
    for name in getattr(view, "one_at_a_time", ()):
        values = view.request.query_params.getlist(name)
        if len(values) > 1:
            places = [place & Q(**{name: value}) for place in places for value in values]
    return places


def _first_ids(rows: QuerySet, places: list[Q], count: int) -> list[Any]:
    order = [str(name) for name in rows.query.order_by]
    plain = rows.select_related(None).values(*(name.lstrip("-") for name in order))
    parts = [plain.filter(place)[:count] for place in places]
    first = parts[0].union(*parts[1:]).order_by(*order)[:count] if len(parts) > 1 else parts[0]
    return [row["id"] for row in first]
