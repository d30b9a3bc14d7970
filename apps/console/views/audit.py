"""Reading the audit trail."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.db.models import Q
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.audit import services as audit
from apps.audit.models import AuditEntry, AuditSeal
from apps.audit.models.statistics import LONGEST, USUAL, span, statistics_of
from apps.console import services
from apps.console.filters import AuditFilters
from apps.console.serializers import AuditEntryOut, AuditHeadsOut, AuditStatisticsOut
from apps.core.api.identifiers import parse_id
from apps.encryption import services as encryption
from apps.rbac import services as rbac
from apps.tenancy.views.pages import BigTableViewSet, Path

_FILTERS: Final = frozenset(AuditFilters.base_filters) - {"ts"} | {"ts_after", "ts_before"}
_SPAN: Final = [
    OpenApiParameter("ts_after", OpenApiTypes.DATETIME, description=f"Default: {USUAL.days} days before the end."),
    OpenApiParameter("ts_before", OpenApiTypes.DATETIME, description=f"Default: now. At most {LONGEST.days} days."),
    OpenApiParameter("tenant", OpenApiTypes.UUID),
]


class AuditViewSet(BigTableViewSet):
    """The audit trail: acts of control, done and refused."""

    http_method_names = ["get", "head", "options"]
    queryset = AuditEntry.objects.all()
    serializer_class = AuditEntryOut
    filterset_class = AuditFilters
    view_permission = "audit.view_auditentry"
    paths = (Path(("tenant_id",)),)
    query_parameters = {
        "export_csv": _FILTERS,
        "export_jsonl": _FILTERS,
        "statistics": frozenset({"ts_after", "ts_before", "tenant"}),
    }

    @extend_schema(operation_id="audit_export_csv", filters=True, responses={(200, "text/csv"): OpenApiTypes.STR})
    @action(detail=False, methods=["get"], url_path="export.csv", pagination_class=None)
    def export_csv(self, request: Request) -> HttpResponseBase:
        """Export what the filters leave as a table, newest first.

        It takes the permission `audit.export_entry`, and is itself written down. However much it is, it comes as a
        stream. A cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return gets an apostrophe in front, so
        that no program takes it for a formula.
        """
        return self._export("csv")

    @extend_schema(
        operation_id="audit_export_jsonl", filters=True, responses={(200, "application/x-ndjson"): OpenApiTypes.STR}
    )
    @action(detail=False, methods=["get"], url_path="export.jsonl", pagination_class=None)
    def export_jsonl(self, request: Request) -> HttpResponseBase:
        """Export what the filters leave as lines of JSON, newest first.

        It takes the permission `audit.export_entry`, and is itself written down. However much it is, it comes as a
        stream.
        """
        return self._export("jsonl")

    @extend_schema(operation_id="audit_statistics", filters=False, parameters=_SPAN, responses=AuditStatisticsOut)
    @action(detail=False, methods=["get"], pagination_class=None)
    def statistics(self, request: Request) -> Response:
        """Count what was done in a time: by kind of act, by action, by actor and by day (UTC)."""
        asked = self._asked()
        since, until = span(*asked, timezone.now())
        rows: Any = self.get_queryset()
        if text := request.query_params.get("tenant"):
            rows = rows.filter(tenant_id=parse_id(text, field="tenant"))
        return Response(AuditStatisticsOut(statistics_of(rows, since, until)).data)

    @extend_schema(operation_id="audit_heads", filters=False, responses=AuditHeadsOut)
    @action(detail=False, methods=["get"], pagination_class=None)
    def heads(self, request: Request) -> Response:
        """Read the signed heads of the chains whose entries you may see, and the public keys to check them by.

        Kept elsewhere, a head shows later whether anything before it was cut off or written anew.
        """
        reach = rbac.reach(self.actor, self.view_permission)
        own = Q(tenant_id__in=reach.tenants) | (Q(tenant_id=None) if reach.is_everywhere else Q())
        seals = AuditSeal.objects.filter(own) if reach.tenants or reach.is_everywhere else AuditSeal.objects.none()
        keys = [
            {"name": key.name, "public_key": key.pem, "since": key.since, "until": key.until}
            for key in encryption.public_keys()
        ]
        return Response({"items": audit.signed_heads(audit.heads(seals)), "keys": keys})

    def _asked(self) -> tuple[datetime | None, datetime | None]:
        """Return the time that is asked for."""
        filters = AuditFilters(self.request.query_params, AuditEntry.objects.none())
        self.filter_queryset(AuditEntry.objects.none())
        asked = filters.form.cleaned_data.get("ts") if filters.form.is_valid() else None
        return (asked.start, asked.stop) if asked else (None, None)

    def _export(self, form: str) -> HttpResponseBase:
        asked: dict[str, Any] = self.request.query_params.dict()
        rows = self.filter_queryset(AuditEntry.objects.all())
        since, until = self._asked()
        rows = services.note_export(rows, actor=self.actor, form=form, asked=asked)
        among = rbac.visible(AuditEntry.objects.all(), self.actor, services.EXPORT).between(since, until)
        media_type, name = services.file_facts(form)
        return StreamingHttpResponse(
            services.lines(rows, form, of=among),
            content_type=media_type,
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )
