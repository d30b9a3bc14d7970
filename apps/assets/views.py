"""Assets, and credentials, which are some of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.assets import services
from apps.assets.filters import AssetFilters, CredentialFilters, StoreFilters
from apps.assets.models import Asset, AssetValue, CredentialStore
from apps.assets.rules import AssetType
from apps.assets.serializers import (
    AssetOut,
    AssetValueOut,
    CreateAsset,
    CreateCredential,
    CreateStore,
    CredentialOut,
    Reveal,
    RevealedOut,
    SetValue,
    StoreOut,
    TestedOut,
    UpdateAsset,
    UpdateStore,
    UsingProcessOut,
    WhichPlace,
    place_of,
    worth_of,
)
from apps.core.actors import Actor
from apps.core.api.filters import PAGE_PARAMETERS
from apps.core.api.pagination import NewestFirst
from apps.core.api.rows import Restore, RowViewSet
from apps.tenancy.views.places import FOLDER_PARAMETERS, TENANT_PARAMETER, folder_for, tenant_for

UPKEEP = Actor.system("assets")
_OWN = AssetValue.objects.filter(for_folder=None, for_machine=None, for_robot=None)
_ROWS = (
    Asset.objects.alive()
    .select_related("folder")
    .prefetch_related(Prefetch("values", queryset=_OWN, to_attr="own_value"))
)
_CHANGES: Mapping[str, Any] = {
    "restore": Restore,
    "partial_update": UpdateAsset,
    "set_value": SetValue,
    "remove_value": WhichPlace,
    "reveal": Reveal,
}


class _OfAssets(RowViewSet):
    """What assets and credentials, which are some of them, have in common."""

    http_method_names = ["get", "head", "post", "patch", "delete", "options"]
    orderings = ("name", "created_at")
    query_parameters = {"values": PAGE_PARAMETERS, "used_by": PAGE_PARAMETERS}

    def make(self, request: Request, **fields: Any) -> Response:
        """Make one in the folder that the body or a header names."""
        asked = self.asked()
        folder = folder_for(request, self.actor, asked.pop("folder", None))
        return self.created(services.create_asset(folder, actor=self.actor, **worth_of(asked), **fields))

    def partial_update(self, request: Request, id: Any) -> Response:
        """Change an asset. Its type stays: what is stored was checked by it."""
        return self.operate(services.update_asset)

    def destroy(self, request: Request, id: Any) -> Response:
        """Take an asset out of every list. Jobs that ask for it from now on are told that there is none."""
        return self.remove(services.delete_asset)

    @action(detail=True, methods=["post"])
    def restore(self, request: Request, id: Any) -> Response:
        """Take it back out of the bin, with all its values.

        Refused with `name_taken`, and a `suggestion`, where the name was given away meanwhile: send another `name`.
        """
        return self.take_back(services.restore_asset)

    @extend_schema(responses=AssetValueOut(many=True))
    @action(detail=True)
    def values(self, request: Request, id: Any) -> Response:
        """List what an asset is worth in which place, the newest first. The nearest counts: robot, machine, folder."""
        rows: QuerySet[AssetValue] = AssetValue.objects.filter(asset_id=self.get_object().pk)
        rows = rows.select_related("for_folder", "for_machine", "for_robot", "store")
        pages = NewestFirst()
        page = pages.paginate_queryset(rows, request, view=self)
        return pages.get_paginated_response(AssetValueOut(page, many=True).data)

    @extend_schema(responses=UsingProcessOut(many=True))
    @action(detail=True, url_path="used-by")
    def used_by(self, request: Request, id: Any) -> Response:
        """List the processes that are named as those that may use it, as far as the caller may see them."""
        asset: Any = self.get_object()
        pages = NewestFirst()
        page = pages.paginate_queryset(asset.used_by.alive().visible_to(self.actor), request, view=self)
        return pages.get_paginated_response(UsingProcessOut(page, many=True).data)

    @action(detail=True, methods=["post"], url_path="set-value")
    def set_value(self, request: Request, id: Any) -> Response:
        """Set what an asset is worth: in a folder, on a machine, on a robot, or where none of these has a value."""
        asset: Any = self.get_object()
        asked = self.asked()
        services.set_value(asset, actor=self.actor, place=place_of(asked), **worth_of(asked))
        return self.answer(self.shown(asset))

    @extend_schema(responses=RevealedOut)
    @action(detail=True, methods=["post"])
    def reveal(self, request: Request, id: Any) -> Response:
        """Show one secret to a person, who has signed in within the last minutes and says why. An API key cannot."""
        asset: Any = self.get_object()
        asked = self.asked()
        text = services.reveal_asset(asset, actor=self.actor, place=place_of(asked), **asked)
        response = Response({"value": text}, headers={"Cache-Control": "no-store"})
        response.holds_secret = True  # type: ignore[attr-defined]
        return response

    @action(detail=True, methods=["post"], url_path="remove-value")
    def remove_value(self, request: Request, id: Any) -> Response:
        """Take the value of a folder, machine or robot away, so that the next nearest counts there."""
        asset: Any = self.get_object()
        asked = self.asked()
        services.remove_value(asset, actor=self.actor, place=place_of(asked))
        return self.answer(self.shown(asset))


class AssetViewSet(_OfAssets):
    """Assets: named values that automations read."""

    queryset = _ROWS
    serializer_class = AssetOut
    filterset_class = AssetFilters
    input_serializers = {"create": CreateAsset, **_CHANGES}

    @extend_schema(parameters=[*FOLDER_PARAMETERS])
    def create(self, request: Request) -> Response:
        """Make an asset with the value that counts where no nearer one does. What is secret is never shown again."""
        return self.make(request)


class CredentialViewSet(_OfAssets):
    """Credentials: the assets that log in somewhere, by kind. What is secret in them only ever comes in."""

    queryset = _ROWS.filter(type=AssetType.CREDENTIAL)
    restorable = Asset.objects.filter(type=AssetType.CREDENTIAL)
    serializer_class = CredentialOut
    filterset_class = CredentialFilters
    input_serializers = {"create": CreateCredential, **_CHANGES}

    @extend_schema(parameters=[*FOLDER_PARAMETERS])
    def create(self, request: Request) -> Response:
        """Make a credential of a kind, with its public fields in `value` and its secret ones in `secrets`."""
        return self.make(request, type=AssetType.CREDENTIAL)


class CredentialStoreViewSet(RowViewSet):
    """Stores of credentials: the one that is here, and those of others from which secrets are read."""

    http_method_names = ["get", "head", "post", "put", "patch", "delete", "options"]
    queryset = CredentialStore.objects.alive()
    serializer_class = StoreOut
    filterset_class = StoreFilters
    orderings = ("name", "created_at")
    input_serializers = {"create": CreateStore, "update": UpdateStore, "partial_update": UpdateStore}

    def list(self, request: Request) -> Response:
        """List the stores, with the one that is here, the newest first."""
        services.ensure_own_stores(actor=UPKEEP)
        return super().list(request)

    @extend_schema(parameters=[TENANT_PARAMETER])
    def create(self, request: Request) -> Response:
        """Name a store of others: HashiCorp Vault with a secrets engine KV of version 2."""
        tenant = tenant_for(request, self.actor)
        return self.created(services.create_store(tenant, actor=self.actor, **self.asked()))

    def update(self, request: Request, id: Any) -> Response:
        """Change a store. With another address it takes the token again."""
        return self.operate(services.update_store)

    def partial_update(self, request: Request, id: Any) -> Response:
        """Change a store. With another address it takes the token again."""
        return self.operate(services.update_store)

    def destroy(self, request: Request, id: Any) -> Response:
        """Take a store in which nothing lies out of every list. Its token is forgotten."""
        return self.remove(services.delete_store)

    @extend_schema(responses=TestedOut)
    @action(detail=True, methods=["post"])
    def test(self, request: Request, id: Any) -> Response:
        """Ask the store whether it is there and lets us in; 503 says what is wrong."""
        store: Any = self.get_object()
        services.try_store(store, actor=self.actor)
        return Response({"ok": True})
