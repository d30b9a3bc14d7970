"""Robots: here, because their answers show what they run."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.rows import Restore, RowViewSet
from apps.jobs.filters import RobotFilters
from apps.jobs.models import Job, why, with_open_executions, with_status
from apps.jobs.serializers.robots import NewRobotOut, RobotOut, RobotWhyOut, TokenOut
from apps.robots import services
from apps.robots.models import Robot
from apps.robots.serializers import ChangedRobots, ChangeRobots, CreateRobot, StartMaintenance, UpdateRobot
from apps.robots.services import RobotChange
from apps.tenancy.models import Folder


class RobotViewSet(RowViewSet):
    """Robots: worker identities that pull jobs."""

    http_method_names = ["get", "head", "post", "patch", "delete", "options"]
    queryset = with_status(Robot.objects.alive().select_related("machine"))
    serializer_class = RobotOut
    filterset_class = RobotFilters
    orderings = ("name", "created_at")
    input_serializers = {
        "restore": Restore,
        "create": CreateRobot,
        "partial_update": UpdateRobot,
        "start_maintenance": StartMaintenance,
        "bulk": ChangeRobots,
    }

    def get_queryset(self) -> QuerySet[Robot]:
        """Return the robots the caller may see, with what they run."""
        return self._with_company(super().get_queryset())

    def shown(self, row: Any) -> Any:
        """Return a robot again with its status and what it runs."""
        return self._with_company(self.queryset.all()).get(pk=row.pk)

    @extend_schema(responses={201: NewRobotOut})
    def create(self, request: Request) -> Response:
        """Make a robot on a machine. The answer holds its token this once.

        Robots that introduce themselves with their machine's enrolment key need not be made first.
        """
        asked = self.asked()
        robot, token = services.create_robot(asked.pop("machine"), actor=self.actor, **asked)
        return self.created(robot, robot_token=token)

    def partial_update(self, request: Request, id: Any) -> Response:
        """Change what a robot is called, how much it runs at once, and for which folders."""
        return self.operate(services.update_robot)

    def destroy(self, request: Request, id: Any) -> Response:
        """Take a robot out of every list. Refused while it runs something."""
        return self.remove(services.delete_robot)

    @action(detail=True, methods=["post"])
    def restore(self, request: Request, id: Any) -> Response:
        """Take a robot back out of the bin. Its old tokens stay dead: rotate, or let its machine's key give one.

        Refused with `name_taken`, and a `suggestion`, where the name was given away meanwhile: send another `name`.
        """
        return self.take_back(services.restore_robot)

    @action(detail=True, methods=["post"])
    def enable(self, request: Request, id: Any) -> Response:
        """Let a disabled robot work again."""
        return self.operate(services.enable_robot)

    @action(detail=True, methods=["post"])
    def drain(self, request: Request, id: Any) -> Response:
        """Let a robot finish what it runs and take nothing new."""
        return self.operate(services.drain_robot)

    @action(detail=True, methods=["post"])
    def undrain(self, request: Request, id: Any) -> Response:
        """Let a drained robot take work again."""
        return self.operate(services.stop_draining)

    @action(detail=True, methods=["post"], url_path="start-maintenance")
    def start_maintenance(self, request: Request, id: Any) -> Response:
        """Take a robot out of work with a reason, until a moment or until somebody ends it."""
        return self.operate(services.start_maintenance)

    @action(detail=True, methods=["post"], url_path="end-maintenance")
    def end_maintenance(self, request: Request, id: Any) -> Response:
        """Let a robot in maintenance take work again."""
        return self.operate(services.end_maintenance)

    @action(detail=True, methods=["post"], url_path="clear-error")
    def clear_error(self, request: Request, id: Any) -> Response:
        """Trust a robot again, after somebody looked at why it was put aside."""
        return self.operate(services.clear_error)

    @extend_schema(responses=ChangedRobots, operation_id="robots_bulk")
    @action(detail=False, methods=["post"])
    def bulk(self, request: Request) -> Response:
        """Drain many robots, take them into maintenance, or let them work again: all at once, or none.

        It concerns the robots that fit and that you may change, 1,000 at most. What is so already stays as it is.
        """
        asked = self.asked()
        wanted, change = asked.pop("filters"), RobotChange(asked.pop("action"))
        done = services.change_robots(Robot.objects.fitting(**wanted), actor=self.actor, change=change, **asked)
        missed = [one for one in wanted.get("robots", ()) if one not in set(done)]
        return Response(ChangedRobots({"robots": done, "not_found": missed}).data)

    @extend_schema(responses=TokenOut)
    @action(detail=True, methods=["post"], url_path="rotate-token")
    def rotate_token(self, request: Request, id: Any) -> Response:
        """Give a robot a new token. The answer holds it this once; the old ones work ten minutes longer."""
        robot: Any = self.get_object()
        return Response({"robot_token": services.rotate_token(robot, actor=self.actor)})

    @extend_schema(responses=RobotWhyOut, operation_id="robots_why")
    @action(detail=True, methods=["get"])
    def why(self, request: Request, id: Any) -> Response:
        """Explain why a robot is idle: its own state first, then what keeps it from the jobs first in line."""
        robot: Any = self.get_object()
        return Response(RobotWhyOut(why.why_robot(robot, among=Job.objects.visible_to(self.actor))).data)

    def _with_company(self, robots: QuerySet[Robot]) -> QuerySet[Robot]:
        if getattr(self, "swagger_fake_view", False):
            return robots
        seen = Folder.objects.alive().visible_to(self.actor).order_by("name")
        folders = Prefetch("folders", queryset=seen, to_attr="seen_folders")
        return with_open_executions(robots, self.actor).prefetch_related(folders)
