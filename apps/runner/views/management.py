"""What people do to machines and robots that also settles what those run."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.rows import Reason
from apps.core.api.views import ApiViewSet
from apps.jobs.views.robots import RobotViewSet
from apps.robots.models import Machine
from apps.runner import services
from apps.runner.serializers.management import MachineKeyOut


class MachineKeyViewSet(ApiViewSet):
    """The enrolment keys of machines."""

    queryset = Machine.objects.alive()
    serializer_class = MachineKeyOut

    @extend_schema(responses=MachineKeyOut)
    def regenerate_key(self, request: Request, id: Any) -> Response:
        """Replace a machine's enrolment key. The answer holds the new one this once.

        The old key and every token that came from it end, and so do the sessions of the machine's robots; what they
        ran is settled. The next host to use the new key is the one it belongs to.
        """
        machine: Any = self.get_object()
        return Response({"machine_key": services.regenerate_key(machine, actor=self.actor)})


class RobotSwitchViewSet(RobotViewSet):
    """Turning robots away."""

    http_method_names = ["post", "options"]
    input_serializers = {"disable": Reason}

    def disable(self, request: Request, id: Any) -> Response:
        """Refuse a robot from now on. Its session ends and what it ran is settled."""
        return self.operate(services.disable_robot)
