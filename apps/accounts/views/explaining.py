"""Why somebody may or may not do something to a row."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import services
from apps.accounts.serializers import ExplanationOut
from apps.core.api.filters import refuse_unknown_parameters
from apps.core.api.views import ApiView

PARAMETERS = ("user", "object", "permission")


class Explain(ApiView):
    """Why somebody may or may not."""

    @extend_schema(
        responses=ExplanationOut,
        operation_id="access_explain",
        parameters=[
            OpenApiParameter("user", {"type": "string", "format": "uuid"}, description="About whom; you."),
            OpenApiParameter(
                "object", str, description="A kind and an id, such as `process:0193f3a0-…`; the whole installation."
            ),
            OpenApiParameter("permission", str, description="Such as `jobs.cancel_job`; all that are of its kind."),
        ],
    )
    def get(self, request: Request) -> Response:
        """Say which role or sharing lets somebody do something to a row, or what is missing and who could give it.

        About others it takes `rbac.view_roleassignment` on the row. What you may not see is not there.
        """
        refuse_unknown_parameters(request, frozenset(PARAMETERS))
        user, named, only = (request.query_params.get(name, "") for name in PARAMETERS)
        found = services.explain_access(user, actor=self.actor, named=named, only=only)
        return Response(ExplanationOut(found).data)
