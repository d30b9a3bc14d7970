"""Executions, their logs, and what came of them too late."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.filters import PAGE_PARAMETERS
from apps.core.api.pagination import NewestFirst
from apps.core.api.rows import RowViewSet
from apps.core.errors import Invalid
from apps.jobs import services
from apps.jobs.filters import ExecutionFilters, LateResultFilters
from apps.jobs.models import Artefact, Execution, LateResult, Span, logreading
from apps.jobs.models.logreading import Page, Place
from apps.jobs.serializers.artefacts import ArtefactOut
from apps.jobs.serializers.executions import ExecutionOut, LateResultOut, LateResultRow, LogPage, log_page
from apps.jobs.serializers.spans import SpanOut
from apps.jobs.views.jobs import EXECUTIONS
from apps.jobs.views.pages import EXECUTION_PATHS
from apps.tenancy.views.pages import BigTableViewSet

DEFAULT_LINES: Final = 200
#: Where a reader can begin.
PLACES: Final = {
    "start": lambda execution, limit: logreading.page_after(execution, Place(), limit=limit),
    "end": lambda execution, limit: logreading.last_page(execution, limit=limit),
    "error": lambda execution, limit: logreading.first_error_page(execution, limit=limit),
}
_PARAMETERS: Final = [
    OpenApiParameter(
        "at", str, enum=sorted(PLACES), description="Where to begin: the start, the end, the first error."
    ),
    OpenApiParameter("after", str, description="Go on from `next` of a page; poll with it to follow a live log."),
    OpenApiParameter("before", str, description="Go back from `previous` of a page."),
    OpenApiParameter(
        "limit", {"type": "integer", "minimum": 1, "maximum": logreading.MOST_LINES, "default": DEFAULT_LINES}
    ),
]


class ExecutionViewSet(BigTableViewSet):
    """Executions: tries at jobs, each on one robot."""

    http_method_names = ["get", "head", "options"]
    queryset = EXECUTIONS
    serializer_class = ExecutionOut
    filterset_class = ExecutionFilters
    view_permission = "jobs.view_job"
    paths = EXECUTION_PATHS
    query_parameters = {
        "log": frozenset({"at", "after", "before", "limit"}),
        "artefacts": PAGE_PARAMETERS,
        "spans": PAGE_PARAMETERS,
    }

    @extend_schema(operation_id="executions_log", responses=LogPage, parameters=_PARAMETERS)
    @action(detail=True, methods=["get"])
    def log(self, request: Request, id: Any) -> Response:
        """Read a page of a log, from any place: its start by default, its end, its first error, or a cursor.

        However long the log is, only what the page shows is touched. What programs appended by themselves stands
        among the robot's own lines, in the order of their times. While you follow a live log by `after`, its robot
        sends it within half a second.
        """
        execution = self._execution()
        if "after" in request.query_params and execution.is_watch_due:
            services.watch_log(execution, actor=self.actor)
        return Response(log_page(execution, _page(execution, request)))

    @extend_schema(operation_id="executions_log_text", responses={(200, "text/plain"): OpenApiTypes.STR})
    @action(detail=True, methods=["get"], url_path="log/text")
    def log_text(self, request: Request, id: Any) -> HttpResponseBase:
        """Download the whole log as text."""
        execution = self._execution()
        name = f"job-{execution.job_id}-try-{execution.number}.log"
        return StreamingHttpResponse(
            logreading.as_text(execution),
            content_type="text/plain; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    @extend_schema(operation_id="executions_artefacts", responses=ArtefactOut(many=True))
    @action(
        detail=True,
        methods=["get"],
        filterset_class=None,
        serializer_class=ArtefactOut,
        pagination_class=NewestFirst,
    )
    def artefacts(self, request: Request, id: Any) -> Response:
        """List the files that an execution left, the newest first."""
        page = self.paginate_queryset(Artefact.objects.filter(execution=self._execution()))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(operation_id="executions_spans", responses=SpanOut(many=True))
    @action(detail=True, methods=["get"], filterset_class=None, serializer_class=SpanOut, pagination_class=NewestFirst)
    def spans(self, request: Request, id: Any) -> Response:
        """List the steps that an execution traced, the newest first; of one that was told again, what was told last.

        `parent_span_id` names the step that one belongs to; it may be one that was not told.
        """
        page = self.paginate_queryset(Span.latest_of(self._execution().pk))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def _execution(self) -> Execution:
        execution: Any = self.get_object()
        return execution  # type: ignore[no-any-return]


class LateResultViewSet(RowViewSet):
    """Late results: what robots delivered and what could not count. Nothing of it is thrown away."""

    http_method_names = ["get", "head", "options"]
    queryset = LateResult.objects.all()
    serializer_class = LateResultOut
    filterset_class = LateResultFilters

    def get_queryset(self) -> QuerySet[LateResult]:
        """Return those the caller may see; a list leaves out what can be long."""
        visible = super().get_queryset()
        return visible.defer("payload") if self.action == "list" else visible

    def get_serializer_class(self) -> Any:
        """Return the lean shape for lists."""
        return LateResultRow if self.action == "list" else super().get_serializer_class()


def _page(execution: Execution, request: Request) -> Page:
    given = {name: request.query_params[name] for name in ("at", "after", "before") if name in request.query_params}
    if len(given) > 1:
        raise Invalid.field("at", f"Give only one of {', '.join(given)}.", code="contradiction")
    limit = _limit(request.query_params.get("limit"))
    if "after" in given:
        return logreading.page_after(execution, Place.parse(given["after"]), limit=limit)
    if "before" in given:
        return logreading.page_before(execution, Place.parse(given["before"]), limit=limit)
    at = given.get("at", "start")
    if at not in PLACES:
        raise Invalid.field("at", f"There is: {', '.join(sorted(PLACES))}.")
    return PLACES[at](execution, limit)


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LINES
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= logreading.MOST_LINES):
        raise Invalid.field("limit", f"It is a number from 1 to {logreading.MOST_LINES}.")
    return int(text)
