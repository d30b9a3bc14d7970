"""Machines. Robots, whose answers show what they run, are found where jobs are known."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.rows import RowViewSet
from apps.robots import services
from apps.robots.filters import MachineFilters
from apps.robots.models import Machine
from apps.robots.serializers import CreateMachine, MachineOut, NewMachineOut, UpdateMachine
from apps.tenancy.views.places import TENANT_PARAMETER, tenant_for


class MachineViewSet(RowViewSet):
    """Machines: computers on which robots run."""

    http_method_names = ["get", "head", "post", "patch", "delete", "options"]
    queryset = Machine.objects.alive().with_robots()
    serializer_class = MachineOut
    filterset_class = MachineFilters
    orderings = ("name", "created_at")
    input_serializers = {"create": CreateMachine, "partial_update": UpdateMachine}

    @extend_schema(parameters=[TENANT_PARAMETER], responses={201: NewMachineOut})
    def create(self, request: Request) -> Response:
        """Make a machine. The answer holds its enrolment key this once."""
        tenant = tenant_for(request, self.actor)
        machine, key = services.create_machine(tenant, actor=self.actor, **self.asked())
        return self.created(machine, machine_key=key)

    def partial_update(self, request: Request, id: Any) -> Response:
        """Change what a machine is called and which labels its robots have through it."""
        return self.operate(services.update_machine)

    def destroy(self, request: Request, id: Any) -> Response:
        """Take a machine without robots out of every list. Its key ends."""
        return self.remove(services.delete_machine)
