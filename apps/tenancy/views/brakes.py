"""Brakes."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.rows import RowViewSet
from apps.core.errors import Invalid
from apps.rbac import services as rbac
from apps.tenancy import services
from apps.tenancy.filters import BrakeFilters
from apps.tenancy.models import Brake
from apps.tenancy.serializers import BrakeOut, SetBrake
from apps.tenancy.views.places import TENANT_PARAMETER, tenant_for


class BrakeViewSet(RowViewSet):
    """Brakes: emergency stops of a folder, a tenant or everything."""

    http_method_names = ["get", "head", "post", "options"]
    queryset = Brake.objects.select_related("tenant", "folder")
    serializer_class = BrakeOut
    filterset_class = BrakeFilters
    orderings = ("created_at",)
    input_serializers = {"create": SetBrake}

    @extend_schema(parameters=[TENANT_PARAMETER])
    def create(self, request: Request) -> Response:
        """Hold jobs, triggers or both: in a folder, everywhere, or else in the tenant. What runs goes on."""
        asked = self.asked()
        folder, everywhere = asked.pop("folder", None), asked.pop("everywhere")
        if folder is not None and everywhere:
            raise Invalid.field("everywhere", "name a folder, or everywhere, but not both.")
        place = rbac.EVERYWHERE if everywhere else folder or tenant_for(request, self.actor)
        return self.created(services.set_brake(place, actor=self.actor, **asked))

    @action(detail=True, methods=["post"])
    def lift(self, request: Request, id: Any) -> Response:
        """Let what it held go on."""
        return self.operate(services.lift_brake)
