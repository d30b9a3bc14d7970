"""Following the events."""

from __future__ import annotations

from typing import Final

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.console.serializers import EventPage
from apps.core.api.filters import refuse_unknown_parameters
from apps.core.api.identifiers import parse_id
from apps.core.api.views import ApiView
from apps.core.errors import Invalid
from apps.events import services as events
from apps.events.models import Event
from apps.jobs.models import Plane
from apps.rbac import services as rbac

DEFAULT_LIMIT: Final = 100
MOST: Final = 1000
MOST_TYPES: Final = 50
#: A page ends after so many events even if few of them are yours, so that no statement takes long.
WALK: Final = 20_000
NEWEST: Final = "newest"
_PARAMETERS: Final = [
    OpenApiParameter(
        "after", str, description="`cursor` of the page before. Left out: the oldest event kept; `newest`: from now on."
    ),
    OpenApiParameter("types", str, description="Only these types, separated by commas, such as `job.completed`."),
    OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT_LIMIT}),
    OpenApiParameter("tenant", {"type": "string", "format": "uuid"}, description="Only events of this tenant."),
]


class Events(ApiView):
    """The stream of events."""

    @extend_schema(operation_id="events_follow", parameters=_PARAMETERS, responses=EventPage)
    def get(self, request: Request) -> Response:
        """Follow the events you may see, in an order that misses none and repeats none.

        Keep `cursor` and send it as `after`; while `more` is true, ask again at once, else after a while. Once the
        database was restored from a backup, a reader is taken back and may see some events a second time: their ids
        are the same.
        """
        refuse_unknown_parameters(request, frozenset({"after", "types", "limit", "tenant"}))
        epoch, after = Plane.current_epoch(), request.query_params.get("after")
        newest = events.newest(epoch=epoch)
        if after == NEWEST:
            return Response(EventPage({"items": [], "cursor": str(newest), "more": False}).data)
        limit = _limit(request.query_params.get("limit"))
        tenant = request.query_params.get("tenant")
        page, cursor = events.read_after(
            after,
            limit=limit,
            epoch=epoch,
            types=_types(request.query_params.get("types")),
            tenant_id=parse_id(tenant, field="tenant") if tenant is not None else None,
            among=rbac.visible(Event.objects.all(), self.actor, "events.view_event"),
            walk=WALK,
        )
        more = len(page) == limit or cursor < newest
        items = [event.envelope() for event in page]
        return Response(EventPage({"items": items, "cursor": str(cursor), "more": more}).data)


def _types(text: str | None) -> list[str] | None:
    if text is None:
        return None
    types = [part.strip() for part in text.split(",") if part.strip()]
    if not 0 < len(types) <= MOST_TYPES:
        raise Invalid.field("types", f"Name 1 to {MOST_TYPES} types, separated by commas.")
    return types


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MOST):
        raise Invalid.field("limit", f"It is a number from 1 to {MOST}.")
    return int(text)
