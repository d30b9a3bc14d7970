"""Tenants."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.rows import Reason, RowViewSet
from apps.tenancy import services
from apps.tenancy.filters import TenantFilters
from apps.tenancy.models import Tenant
from apps.tenancy.serializers import CreateTenant, QuotasOut, RenameTenant, SetQuotas, TenantOut


class TenantViewSet(RowViewSet):
    """Tenants: the boundaries nothing crosses."""

    http_method_names = ["get", "head", "post", "put", "patch", "options"]
    queryset = Tenant.objects.all()
    serializer_class = TenantOut
    filterset_class = TenantFilters
    orderings = ("name", "slug", "created_at")
    input_serializers = {
        "create": CreateTenant,
        "partial_update": RenameTenant,
        "suspend": Reason,
        "set_quotas": SetQuotas,
    }

    def create(self, request: Request) -> Response:
        """Make a tenant with its *Shared* folder. It takes a right over the whole installation."""
        asked = self.asked()
        return self.created(services.create_tenant(asked["name"], actor=self.actor, slug=asked["slug"]))

    def partial_update(self, request: Request, id: Any) -> Response:
        """Give a tenant another display name; its slug stays."""
        return self.operate(services.rename_tenant)

    @action(detail=True, methods=["post"])
    def suspend(self, request: Request, id: Any) -> Response:
        """Refuse the tenant's robots and every change in it, until it is resumed. Its rows stay readable."""
        return self.operate(services.suspend_tenant)

    @action(detail=True, methods=["post"])
    def resume(self, request: Request, id: Any) -> Response:
        """Let a suspended tenant work again."""
        return self.operate(services.resume_tenant)

    @extend_schema(responses=QuotasOut)
    @action(detail=True, methods=["get"], filterset_class=None)
    def quotas(self, request: Request, id: Any) -> Response:
        """Tell what a tenant has of what can be limited, and the limits."""
        tenant: Any = self.get_object()
        return Response(QuotasOut({"quotas": services.uses_of(tenant)}).data)

    @extend_schema(responses=QuotasOut, request=SetQuotas)
    @quotas.mapping.put
    def set_quotas(self, request: Request, id: Any) -> Response:
        """Limit a tenant. What is left out stays, null lifts a limit, and nothing that is there goes.

        It takes a right over the whole installation. Whoever goes beyond is answered 409 `quota_exceeded`, with
        `quota`, `limit`, `used` and `frees_at`.
        """
        tenant: Any = self.get_object()
        return Response(QuotasOut({"quotas": services.set_quotas(tenant, actor=self.actor, quotas=self.asked())}).data)
