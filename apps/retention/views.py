"""The bin, as callers read it."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from apps.core.api.filters import refuse_unknown_parameters
from apps.core.api.identifiers import parse_id
from apps.core.api.pagination import page_size_of
from apps.core.api.strict_json import shown
from apps.core.api.views import ApiView
from apps.core.errors import Invalid
from apps.retention.models.bins import BIN, binned
from apps.retention.serializers import BinnedOut, BinPage, after_of, cursor_after

_PARAMETERS: Final = frozenset({"kind", "tenant", "folder", "cursor", "page_size"})


class BinView(ApiView):
    """The bin: what was deleted and can be had back."""

    http_method_names = ["get", "head", "options"]

    @extend_schema(
        operation_id="bin_list",
        tags=["bin"],
        responses=BinPage,
        parameters=[
            OpenApiParameter("kind", OpenApiTypes.STR, enum=list(BIN)),
            OpenApiParameter("tenant", OpenApiTypes.UUID),
            OpenApiParameter("folder", OpenApiTypes.UUID),
            OpenApiParameter("cursor", OpenApiTypes.STR, description="Where to go on; taken from `next`."),
            OpenApiParameter("page_size", OpenApiTypes.INT, description="Rows on a page; 50, 200 at most."),
        ],
    )
    def get(self, request: Request) -> Response:
        """List what lies in the bin, of all kinds that one may see, what was deleted last first."""
        refuse_unknown_parameters(request, _PARAMETERS)
        size, given = page_size_of(request), request.query_params
        wanted: dict[str, Any] = {name: parse_id(given[name]) for name in ("tenant", "folder") if name in given}
        if "kind" in given:
            wanted["kinds"] = [_kind(given["kind"])]
        if "cursor" in given:
            wanted["after"] = after_of(given["cursor"])
        rows = binned(self.actor, limit=size + 1, **wanted)
        address = request.build_absolute_uri()
        more = replace_query_param(address, "cursor", cursor_after(rows[size - 1])) if len(rows) > size else None
        return Response({"items": BinnedOut(rows[:size], many=True).data, "next": more, "previous": None})


def _kind(text: str) -> str:
    if text not in BIN:
        raise Invalid.field("kind", f"There is no kind “{shown(text)}” in the bin. There is: {', '.join(BIN)}.")
    return text
