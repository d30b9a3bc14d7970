"""Calendars."""

from __future__ import annotations

import calendar as months
from datetime import date, datetime
from typing import Any, Final

from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import bodies
from apps.core.api.parsers import StrictJsonParser, StrictMultiPartParser
from apps.core.api.rows import RowViewSet, one_of
from apps.core.api.strict_json import BODY_LIMIT, shown
from apps.core.api.views import ApiViewSet
from apps.core.errors import Invalid
from apps.tenancy.views.places import FOLDER_PARAMETERS, folder_for
from apps.triggers import services
from apps.triggers.filters import CalendarFilters
from apps.triggers.models import Calendar, CalendarRule
from apps.triggers.rules import schedules, silences
from apps.triggers.rules.icalendars import LARGEST
from apps.triggers.serializers.calendars import (
    CalendarOut,
    CalendarRow,
    CreateCalendar,
    DaysOut,
    ImportCalendar,
    ImportedOut,
    UpdateCalendar,
)

#: Values in a body: a calendar with as many rules as it may have.
RULES_NODES: Final = 30_000
_MONTH = OpenApiParameter("month", str, description="Such as 2026-12. Left out: this month, on the calendar's clock.")


class CalendarViewSet(RowViewSet):
    """Calendars: when triggers stay silent."""

    http_method_names = ["get", "head", "post", "patch", "delete", "options"]
    node_limit = RULES_NODES
    queryset = Calendar.objects.alive().select_related("folder")
    serializer_class = CalendarOut
    filterset_class = CalendarFilters
    orderings = ("name", "created_at")
    query_parameters = {"days": frozenset({"month"})}
    input_serializers = {"create": CreateCalendar, "partial_update": UpdateCalendar}

    def get_queryset(self) -> QuerySet[Calendar]:
        """Return the calendars the caller may see, with their rules where one of them is read."""
        visible = super().get_queryset()
        return visible if self.action == "list" else _with_rules(visible)

    def get_serializer_class(self) -> Any:
        """Return the lean shape for lists."""
        return CalendarRow if self.action == "list" else super().get_serializer_class()

    def shown(self, row: Any) -> Any:
        """Return a calendar again with all that its answer shows."""
        return _with_rules(self.queryset.all()).get(pk=row.pk)

    @extend_schema(parameters=[*FOLDER_PARAMETERS])
    def create(self, request: Request) -> Response:
        """Make a calendar, with the stretches in which the triggers that name it stay silent."""
        asked = self.asked()
        folder = folder_for(request, self.actor, asked.pop("folder", None))
        return self.created(services.create_calendar(folder, actor=self.actor, **asked))

    def partial_update(self, request: Request, id: Any) -> Response:
        """Change a calendar. `rules`, where given, replace all there are. Triggers heed it from the next time on."""
        return self.operate(services.update_calendar)

    def destroy(self, request: Request, id: Any) -> Response:
        """Take a calendar out of every list. Refused while a trigger heeds it."""
        return self.remove(services.delete_calendar)

    @extend_schema(responses=DaysOut, parameters=[_MONTH])
    @action(detail=True, methods=["get"], filterset_class=None, pagination_class=None)
    def days(self, request: Request, id: Any) -> Response:
        """Tell for each day of a month when it is silent, on the calendar's own clock."""
        found: Any = self.get_object()
        first = _month(request.query_params.get("month"), found)
        known = [rule.silence() for rule in found.rules.all()]
        days = [_day(known, first.replace(day=number)) for number in range(1, _length(first) + 1)]
        told = {"month": f"{first:%Y-%m}", "time_zone": found.time_zone, "days": days}
        return Response(DaysOut(told).data)


class CalendarImportViewSet(ApiViewSet):
    """Taking over calendars of others."""

    http_method_names = ["post", "options"]
    parser_classes = [StrictJsonParser, StrictMultiPartParser]
    #: A file of as many characters as may be has room in it, few of which take more than a byte.
    body_limit = LARGEST + BODY_LIMIT
    queryset = Calendar.objects.alive()
    serializer_class = ImportedOut
    input_serializers = {"take_over": ImportCalendar}

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Look at the length first: checking a form's CSRF token would already read all of it."""
        bodies.check_length(bodies.content_length(request.META), self.body_limit)
        return super().initialize_request(request, *args, **kwargs)

    @extend_schema(
        operation_id="calendars_import",
        request={"application/json": ImportCalendar, "multipart/form-data": ImportCalendar},
        responses=ImportedOut,
    )
    def take_over(self, request: Request, id: Any) -> Response:
        """Take over the events of an iCalendar file, sent as `text` or as `file`.

        They replace what was taken over before; rules made by hand stay. Each event that cannot be taken over is named
        with the reason.
        """
        found: Any = self.get_object()
        asked = self.asked()
        text = asked["text"] if one_of(asked, "text", "file") == "text" else _text_of(asked["file"])
        imported = services.import_calendar(found, actor=self.actor, text=text)
        problems = [{"event": event, "reason": reason} for event, reason in imported.problems]
        return Response(ImportedOut({"rules": imported.rules, "problems": problems}).data)


def _with_rules(calendars: QuerySet[Calendar]) -> QuerySet[Calendar]:
    return calendars.prefetch_related(Prefetch("rules", queryset=CalendarRule.objects.order_by("pk")))


def _text_of(file: Any) -> str:
    try:
        text: str = file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid.field("file", "It is not UTF-8.") from error
    return text


def _month(text: str | None, of: Calendar) -> date:
    """Return the first day of the month that a parameter names. Raises ``Invalid``."""
    if text is None:
        return datetime.now(schedules.zone_of(of.time_zone)).date().replace(day=1)
    try:
        first = datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007 - a month has no zone
    except ValueError as error:
        raise Invalid.field("month", f"{shown(text)} is no month. Write one such as 2026-12.") from error
    if not 1970 <= first.year < 2200:
        raise Invalid.field("month", "A month must lie between 1970 and 2199.")
    return first


def _length(first: date) -> int:
    return months.monthrange(first.year, first.month)[1]


def _day(known: list[silences.Silence], day: date) -> dict[str, Any]:
    hours = silences.silent_hours(known, day)
    return {"date": day, "is_silent": _covers_all(hours), "hours": hours}


def _covers_all(hours: list[silences.Hours]) -> bool:
    """Say whether parts of a day, the earliest first, leave nothing of it out."""
    reached: Any = None
    for part in hours:
        if part.begins > (reached or part.begins.min):
            return False
        if part.ends is None:
            return True
        reached = max(reached or part.ends, part.ends)
    return False
