"""Assets."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.assets import services
from apps.assets.filters import AssetFilters
from apps.assets.models import Asset, AssetValue
from apps.assets.serializers import (
    AssetOut,
    AssetValueOut,
    CreateAsset,
    SetValue,
    UpdateAsset,
    WhichPlace,
    place_of,
)
from apps.core.api.filters import PAGE_PARAMETERS
from apps.core.api.pagination import NewestFirst
from apps.core.api.rows import RowViewSet
from apps.tenancy.views.places import FOLDER_PARAMETERS, folder_for

_OWN = AssetValue.objects.filter(for_folder=None, for_machine=None, for_robot=None)


class AssetViewSet(RowViewSet):
    """Assets: named values that automations read."""

    http_method_names = ["get", "head", "post", "patch", "delete", "options"]
    queryset = (
        Asset.objects.alive()
        .select_related("folder")
        .prefetch_related(Prefetch("values", queryset=_OWN, to_attr="own_value"))
    )
    serializer_class = AssetOut
    filterset_class = AssetFilters
    orderings = ("name", "created_at")
    query_parameters = {"values": PAGE_PARAMETERS}
    input_serializers = {
        "create": CreateAsset,
        "partial_update": UpdateAsset,
        "set_value": SetValue,
        "remove_value": WhichPlace,
    }

    @extend_schema(parameters=[*FOLDER_PARAMETERS])
    def create(self, request: Request) -> Response:
        """Make an asset with the value that counts where no nearer one does. What is secret is never shown again."""
        asked = self.asked()
        folder = folder_for(request, self.actor, asked.pop("folder", None))
        return self.created(services.create_asset(folder, actor=self.actor, **asked))

    def partial_update(self, request: Request, id: Any) -> Response:
        """Change an asset. Its type stays: what is stored was checked by it."""
        return self.operate(services.update_asset)

    def destroy(self, request: Request, id: Any) -> Response:
        """Take an asset out of every list. Jobs that ask for it from now on are told that there is none."""
        return self.remove(services.delete_asset)

    @extend_schema(responses=AssetValueOut(many=True))
    @action(detail=True)
    def values(self, request: Request, id: Any) -> Response:
        """List what an asset is worth in which place, the newest first. The nearest counts: robot, machine, folder."""
        rows: QuerySet[AssetValue] = AssetValue.objects.filter(asset_id=self.get_object().pk)
        rows = rows.select_related("for_folder", "for_machine", "for_robot")
        pages = NewestFirst()
        page = pages.paginate_queryset(rows, request, view=self)
        return pages.get_paginated_response(AssetValueOut(page, many=True).data)

    @action(detail=True, methods=["post"], url_path="set-value")
    def set_value(self, request: Request, id: Any) -> Response:
        """Set what an asset is worth: in a folder, on a machine, on a robot, or where none of these has a value."""
        asset: Any = self.get_object()
        asked = self.asked()
        services.set_value(asset, actor=self.actor, place=place_of(asked), **asked)
        return self.answer(self.shown(asset))

    @action(detail=True, methods=["post"], url_path="remove-value")
    def remove_value(self, request: Request, id: Any) -> Response:
        """Take the value of a folder, machine or robot away, so that the next nearest counts there."""
        asset: Any = self.get_object()
        asked = self.asked()
        services.remove_value(asset, actor=self.actor, place=place_of(asked))
        return self.answer(self.shown(asset))
