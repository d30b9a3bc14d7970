"""Processes."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.assets.models import Asset
from apps.core.api.rows import Reason, Restore, RowViewSet
from apps.processes import services
from apps.processes.filters import ProcessFilters
from apps.processes.models import Process
from apps.processes.serializers import (
    CreateProcess,
    ProcessOut,
    ProcessSignatureOut,
    UpdateProcess,
    UpgradeProcess,
)
from apps.tenancy.views.places import FOLDER_PARAMETERS, folder_for


class ProcessViewSet(RowViewSet):
    """Processes: what can be run, and how."""

    http_method_names = ["get", "head", "post", "patch", "delete", "options"]
    queryset = (
        Process.objects.alive()
        .with_latest()
        .select_related("folder", "package", "pinned_version", "target_machine", "target_robot")
    )
    serializer_class = ProcessOut
    filterset_class = ProcessFilters
    orderings = ("name", "priority", "created_at")
    input_serializers = {
        "restore": Restore,
        "create": CreateProcess,
        "partial_update": UpdateProcess,
        "upgrade": UpgradeProcess,
        "disable": Reason,
    }

    @extend_schema(parameters=[*FOLDER_PARAMETERS])
    def create(self, request: Request) -> Response:
        """Make a process: a package's entrypoint, or a script, bound to how it shall run."""
        asked = self.asked()
        folder = folder_for(request, self.actor, asked.pop("folder", None))
        return self.created(services.create_process(folder, actor=self.actor, **asked))

    def get_queryset(self) -> QuerySet[Process]:
        """Return the processes the caller may see, with what their jobs may start and use."""
        return self._with_bindings(super().get_queryset())

    def shown(self, row: Any) -> Any:
        """Return a process again with all that its answer shows."""
        return self._with_bindings(self.queryset.all()).get(pk=row.pk)

    def partial_update(self, request: Request, id: Any) -> Response:
        """Change a process. Jobs already made keep what they were made for; limits count at once."""
        return self.operate(services.update_process)

    def destroy(self, request: Request, id: Any) -> Response:
        """Take a process out of every list; its jobs stay. Refused while jobs of it are unfinished."""
        return self.remove(services.delete_process)

    @action(detail=True, methods=["post"])
    def restore(self, request: Request, id: Any) -> Response:
        """Take a process back out of the bin; its triggers fire again. Refused while its package is in the bin.

        Refused with `name_taken`, and a `suggestion`, where the name was given away meanwhile: send another `name`.
        """
        return self.take_back(services.restore_process)

    @action(detail=True, methods=["post"])
    def enable(self, request: Request, id: Any) -> Response:
        """Let the jobs of a process start again."""
        return self.operate(services.enable_process)

    @action(detail=True, methods=["post"])
    def disable(self, request: Request, id: Any) -> Response:
        """Keep the jobs of a process waiting. What runs goes on."""
        return self.operate(services.disable_process)

    @action(detail=True, methods=["post"])
    def upgrade(self, request: Request, id: Any) -> Response:
        """Pin a process to a version, or to the newest active one; an older version rolls it back."""
        return self.operate(services.upgrade_process)

    @extend_schema(operation_id="processes_signature", responses=ProcessSignatureOut)
    @action(detail=True, methods=["get"])
    def signature(self, request: Request, id: Any) -> Response:
        """Tell what a job of this process takes now: parameters, their schema, and the defaults."""
        process: Any = self.get_object()
        version = process.version_to_run()
        entrypoint = process.entrypoint_to_run(version)
        entrypoint.version, entrypoint.defaults = version, process.parameters
        return Response(ProcessSignatureOut(entrypoint).data)

    def _with_bindings(self, processes: QuerySet[Process]) -> QuerySet[Process]:
        if getattr(self, "swagger_fake_view", False):
            return processes
        seen = Process.objects.alive().visible_to(self.actor).order_by("name")
        assets = Asset.objects.alive().visible_to(self.actor)
        return processes.prefetch_related(
            Prefetch("may_start", queryset=seen, to_attr="seen_children"),
            Prefetch("may_use", queryset=assets, to_attr="seen_assets"),
        )
