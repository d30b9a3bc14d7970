"""Reading the audit trail."""

from __future__ import annotations

from django.db.models import QuerySet

from apps.audit.models import AuditEntry
from apps.console.filters import AuditFilters
from apps.console.serializers import AuditEntryOut
from apps.core.api.rows import RowViewSet
from apps.rbac import services as rbac
from apps.tenancy.views.pages import NewestOfEachPlace, Path


class AuditViewSet(RowViewSet):
    """The audit trail: acts of control, done and refused."""

    http_method_names = ["get", "head", "options"]
    queryset = AuditEntry.objects.all()
    serializer_class = AuditEntryOut
    filterset_class = AuditFilters
    pagination_class = NewestOfEachPlace
    view_permission = "audit.view_auditentry"
    paths = (Path(("tenant_id",)),)

    def get_queryset(self) -> QuerySet[AuditEntry]:
        """Return the entries the caller may read."""
        if getattr(self, "swagger_fake_view", False):
            return AuditEntry.objects.none()
        entries: QuerySet[AuditEntry] = rbac.visible(AuditEntry.objects.all(), self.actor, self.view_permission)
        return entries
