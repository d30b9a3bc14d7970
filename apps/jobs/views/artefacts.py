"""Files that jobs left."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Final

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.files import attachment
from apps.core.api.views import ApiViewSet
from apps.jobs import services
from apps.jobs.models import Artefact
from apps.jobs.rules import artefacts
from apps.jobs.serializers.artefacts import ArtefactOut
from apps.packages.views.versions import has_it_already

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
        responses={(200, artefacts.UNKNOWN): _FILE, 304: OpenApiResponse(description="You have it already.")},
        parameters=[OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER)],
    )
    @action(detail=True, methods=["get"])
    def download(self, request: Request, id: Any) -> HttpResponseBase:
        """Download a file. Each download stands in the audit trail."""
        artefact = self._artefact()
        if has_it_already(request, artefact.sha256):
            return HttpResponse(status=304, headers={"ETag": f'"{artefact.sha256}"'})
        with ExitStack() as closed_on_refusal:
            file = closed_on_refusal.enter_context(services.open_artefact(artefact))
            services.note_artefact_download(artefact, actor=self.actor)
            closed_on_refusal.pop_all()
        kind = artefacts.served_as(artefact.content_type)
        return attachment(file, name=artefact.name, content_type=kind, sha256=artefact.sha256)

    def _artefact(self) -> Artefact:
        artefact: Any = self.get_object()
        return artefact  # type: ignore[no-any-return]
