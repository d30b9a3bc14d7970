"""Versions of packages."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Final

from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.files import has_it_already
from apps.core.api.rows import Reason, RowViewSet
from apps.packages import services
from apps.packages.filters import PackageVersionFilters
from apps.packages.models import PackageVersion
from apps.packages.serializers import PackageVersionOut, SignatureOut

MEDIA_TYPE: Final = "application/vnd.bv.package+zip"
VERSIONS: Final = PackageVersion.objects.alive().select_related("package").prefetch_related("entrypoints")
_FILE = OpenApiResponse(OpenApiTypes.BINARY, description="The file. `ETag` and `X-Content-SHA256` hold its SHA-256.")


class PackageVersionViewSet(RowViewSet):
    """Package versions: immutable uploads."""

    http_method_names = ["get", "head", "post", "delete", "options"]
    queryset = VERSIONS
    serializer_class = PackageVersionOut
    filterset_class = PackageVersionFilters
    orderings = ("created_at",)
    input_serializers = {"deactivate": Reason}

    @action(detail=True, methods=["post"])
    def activate(self, request: Request, id: Any) -> Response:
        """Let new jobs use a version again."""
        return self.operate(services.activate_version)

    @action(detail=True, methods=["post"])
    def deactivate(self, request: Request, id: Any) -> Response:
        """Keep a version from being used by new jobs. Jobs made for it still run."""
        return self.operate(services.deactivate_version)

    def destroy(self, request: Request, id: Any) -> Response:
        """Take a version away for good; its number is never used again. Refused while a process needs it."""
        return self.remove(services.delete_version)

    @extend_schema(
        responses={(200, MEDIA_TYPE): _FILE, 304: OpenApiResponse(description="You have it already.")},
        parameters=[OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER)],
    )
    @action(detail=True, methods=["get"])
    def download(self, request: Request, id: Any) -> HttpResponseBase:
        """Download the file of a version. Each download stands in the audit trail."""
        version: Any = self.get_object()
        headers = {"ETag": f'"{version.sha256}"', "X-Content-SHA256": version.sha256}
        if has_it_already(request, version.sha256):
            return HttpResponse(status=304, headers=headers)
        with ExitStack() as closed_on_refusal:
            file = closed_on_refusal.enter_context(services.open_file(version))
            services.note_download(version, actor=self.actor)
            closed_on_refusal.pop_all()
        return FileResponse(
            file, as_attachment=True, filename=version.file_name, content_type=MEDIA_TYPE, headers=headers
        )

    @extend_schema(operation_id="package_versions_signature", responses=SignatureOut)
    @action(detail=True, methods=["get"], url_path="entrypoints/<str:name>/signature")
    def signature(self, request: Request, id: Any, name: str) -> Response:
        """Tell what an entrypoint of this version takes and returns."""
        version: Any = self.get_object()
        return Response(SignatureOut(version.entrypoint_named(name)).data)
