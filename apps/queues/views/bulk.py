"""Changes to many items by filter: counted first, then worked off in the background."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import bulk
from apps.core.api.rows import RowViewSet
from apps.queues import services
from apps.queues.filters import ItemBulkChangeFilters
from apps.queues.models import ItemBulkAction, ItemBulkChange, changeable_items
from apps.queues.serializers.bulk import (
    MOST_SHOWN,
    ItemBulkChangeOut,
    ItemPreview,
    PreviewItemChange,
    RequestItemChange,
)
from apps.rbac import services as rbac
from apps.tenancy.views.places import TENANT_PARAMETER, tenant_for


class ItemBulkChangeViewSet(RowViewSet):
    """Bulk changes of items: requeuing, postponing, re-prioritising, reviewing or deleting many of a tenant."""

    queryset = ItemBulkChange.objects.select_related("requested_by")
    serializer_class = ItemBulkChangeOut
    filterset_class = ItemBulkChangeFilters
    input_serializers = {"create": RequestItemChange, "preview": PreviewItemChange}

    @extend_schema(parameters=[TENANT_PARAMETER])
    def create(self, request: Request) -> Response:
        """Ask for a change to every item of a tenant that fits and that you may change.

        It is worked off in the background, in batches; read it again to see how far it is. Items made afterwards are
        left alone, and so are those in a state in which the action does nothing.
        """
        tenant = tenant_for(request, self.actor)
        asked = self.asked()
        kind, filters = ItemBulkAction(asked.pop("action")), bulk.kept(asked.pop("filters"))
        return self.created(
            services.request_item_change(tenant, actor=self.actor, action=kind, filters=filters, **asked)
        )

    @extend_schema(parameters=[TENANT_PARAMETER], responses=ItemPreview, operation_id="item_bulk_changes_preview")
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """Count the items that a change would concern now, and show the newest of them. Nothing is changed."""
        tenant = tenant_for(request, self.actor)
        asked = self.asked()
        kind = ItemBulkAction(asked["action"])
        rbac.require(self.actor, kind.permission, None)
        items = changeable_items(tenant.pk, actor=self.actor, action=kind, filters=asked["filters"])
        shown = items.select_related("queue", "folder").order_by("-pk")[:MOST_SHOWN]
        return Response(ItemPreview({"count": items.count(), "items": shown}).data)
