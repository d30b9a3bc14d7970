"""Changes to many jobs by filter: counted first, then worked off in the background."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import bulk
from apps.core.api.rows import RowViewSet
from apps.jobs import services
from apps.jobs.filters import BulkChangeFilters
from apps.jobs.models import BulkAction, BulkChange, Job
from apps.jobs.serializers.bulk import BulkChangeOut, BulkPreview, PreviewBulkChange, RequestBulkChange
from apps.rbac import services as rbac
from apps.tenancy.views.places import TENANT_PARAMETER, tenant_for


class BulkChangeViewSet(RowViewSet):
    """Bulk changes: cancelling, retrying or re-prioritising many jobs of a tenant."""

    queryset = BulkChange.objects.select_related("requested_by")
    serializer_class = BulkChangeOut
    filterset_class = BulkChangeFilters
    input_serializers = {"create": RequestBulkChange, "preview": PreviewBulkChange}

    @extend_schema(parameters=[TENANT_PARAMETER])
    def create(self, request: Request) -> Response:
        """Ask for a change to every job of a tenant that fits and that you may change.

        It is worked off in the background, in batches; read it again to see how far it is. Jobs made afterwards are
        left alone.
        """
        tenant = tenant_for(request, self.actor)
        asked = self.asked()
        change = services.request_bulk_change(
            tenant,
            actor=self.actor,
            action=BulkAction(asked["action"]),
            filters=bulk.kept(asked["filters"]),
            priority=asked.get("priority"),
            reason=asked["reason"],
        )
        return self.created(change)

    @extend_schema(parameters=[TENANT_PARAMETER], responses=BulkPreview, operation_id="bulk_changes_preview")
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """Count the jobs that a change would concern now. Nothing is changed."""
        tenant = tenant_for(request, self.actor)
        asked = self.asked()
        kind = BulkAction(asked["action"])
        rbac.require(self.actor, kind.permission, None)
        jobs = Job.objects.changeable(tenant.pk, actor=self.actor, action=kind, filters=asked["filters"])
        return Response({"count": jobs.count()})
