"""The API described, for programs and for people."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from csp.constants import UNSAFE_INLINE
from csp.decorators import csp_update
from django.utils.decorators import method_decorator
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.callers import SignedIn
from apps.core.api.views import ApiView

SCHEMA_ADDRESS: Final = "/api/v1/schema"


class Schema(ApiView):
    """The description of this API."""

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        """Return the OpenAPI description."""
        return Response(description())


@method_decorator(csp_update({"style-src": [UNSAFE_INLINE]}), name="dispatch")
class Docs(SpectacularSwaggerSplitView):
    """A page on which people read the description and try calls.

    Its script has an address of its own, because our content security policy takes none that stands in a page. What
    draws it puts styles into the page.
    """

    authentication_classes = ApiView.authentication_classes
    permission_classes = [SignedIn]
    url = SCHEMA_ADDRESS
    title = "BV Orchestrator"


@cache
def description() -> dict[str, Any]:
    """Return the OpenAPI description; it is the same for everybody and as long as the process lives."""
    generator: Any = SchemaGenerator
    made: dict[str, Any] = generator().get_schema(request=None, public=True)
    return made
