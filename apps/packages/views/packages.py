"""Packages."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.filters import PAGE_PARAMETERS
from apps.core.api.rows import Restore, RowViewSet
from apps.core.errors import NotFound
from apps.packages import services
from apps.packages.filters import PackageFilters
from apps.packages.models import Package
from apps.packages.serializers import PackageOut, PackageVersionOut, SignatureOut
from apps.packages.views.versions import VERSIONS


class PackageViewSet(RowViewSet):
    """Packages: named automations in folders."""

    http_method_names = ["get", "head", "post", "delete", "options"]
    queryset = Package.objects.alive().with_latest().select_related("folder")
    serializer_class = PackageOut
    filterset_class = PackageFilters
    orderings = ("name", "created_at")
    query_parameters = {"versions": PAGE_PARAMETERS}

    input_serializers = {"restore": Restore}

    def destroy(self, request: Request, id: Any) -> Response:
        """Take a package and all its versions away. Refused while a process uses it."""
        return self.remove(services.delete_package)

    @action(detail=True, methods=["post"])
    def restore(self, request: Request, id: Any) -> Response:
        """Take a package back out of the bin, with the versions that were deleted with it.

        Refused with `name_taken`, and a `suggestion`, where the name was given away meanwhile: send another `name`.
        """
        return self.take_back(services.restore_package)

    @extend_schema(responses=PackageVersionOut(many=True))
    @action(detail=True, methods=["get"], filterset_class=None, serializer_class=PackageVersionOut)
    def versions(self, request: Request, id: Any) -> Response:
        """List the versions of a package, the newest upload first."""
        package: Any = self.get_object()
        page = self.paginate_queryset(VERSIONS.filter(package=package))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(operation_id="packages_signature", responses=SignatureOut)
    @action(detail=True, methods=["get"], url_path="entrypoints/<str:name>/signature")
    def signature(self, request: Request, id: Any, name: str) -> Response:
        """Tell what an entrypoint of the newest active version takes and returns."""
        package: Any = self.get_object()
        version = package.newest_version()
        if version is None:
            raise NotFound(f"“{package.name}” has no active version.")
        return Response(SignatureOut(version.entrypoint_named(name)).data)
