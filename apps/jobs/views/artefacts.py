"""Files that jobs left."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.files import handed_out
from apps.core.api.views import ApiViewSet
from apps.core.files.facts import UNKNOWN
from apps.jobs import services
from apps.jobs.models import Artefact
from apps.jobs.serializers.artefacts import ArtefactOut

_FILE: Final = OpenApiResponse(
    OpenApiTypes.BINARY,
    description="The file, always as an attachment; only harmless kinds keep their `Content-Type`. "
    "`ETag` and `X-Content-SHA256` hold its SHA-256.",
)


class ArtefactViewSet(mixins.RetrieveModelMixin, ApiViewSet):
    """Artefacts: files that jobs left for people and programs."""

    http_method_names = ["get", "head", "delete", "options"]
    queryset = Artefact.objects.select_related("job", "folder")
    serializer_class = ArtefactOut

    def destroy(self, request: Request, id: Any) -> Response:
        """Take a file away for good. It stands in the audit trail."""
        services.delete_artefact(self._artefact(), actor=self.actor)
        return Response(status=204)

    @extend_schema(
        responses={(200, UNKNOWN): _FILE, 304: OpenApiResponse(description="You have it already.")},
        parameters=[OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER)],
    )
    @action(detail=True, methods=["get"])
    def download(self, request: Request, id: Any) -> HttpResponseBase:
        """Download a file. Each download stands in the audit trail."""
        artefact = self._artefact()
        noted = partial(services.note_artefact_download, actor=self.actor)
        return handed_out(request, artefact, name=artefact.name, opened=services.ARTEFACTS.open, noted=noted)

    def _artefact(self) -> Artefact:
        artefact: Any = self.get_object()
        return artefact  # type: ignore[no-any-return]
