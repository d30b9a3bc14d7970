"""Reading the audit trail."""

from __future__ import annotations

from apps.audit.models import AuditEntry
from apps.console.filters import AuditFilters
from apps.console.serializers import AuditEntryOut
from apps.tenancy.views.pages import BigTableViewSet, Path


class AuditViewSet(BigTableViewSet):
    """The audit trail: acts of control, done and refused."""

    http_method_names = ["get", "head", "options"]
    queryset = AuditEntry.objects.all()
    serializer_class = AuditEntryOut
    filterset_class = AuditFilters
    view_permission = "audit.view_auditentry"
    paths = (Path(("tenant_id",)),)
