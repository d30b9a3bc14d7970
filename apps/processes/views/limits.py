"""Limits that processes share."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.rows import RowViewSet
from apps.processes import services
from apps.processes.filters import LimitFilters
from apps.processes.models import NamedLimit, Process, ProcessLimit
from apps.processes.serializers import CreateLimit, LimitOut, UpdateLimit
from apps.tenancy.views.places import FOLDER_PARAMETERS, folder_for


class LimitViewSet(RowViewSet):
    """Limits: what several processes share, and how much of it there is."""

    http_method_names = ["get", "head", "post", "patch", "delete", "options"]
    queryset = NamedLimit.objects.alive().select_related("folder")
    serializer_class = LimitOut
    filterset_class = LimitFilters
    orderings = ("name", "created_at")
    input_serializers = {"create": CreateLimit, "partial_update": UpdateLimit}

    def get_queryset(self) -> QuerySet[NamedLimit]:
        """Return the limits the caller may see, with the processes that share them."""
        return self._with_processes(super().get_queryset())

    def shown(self, row: Any) -> Any:
        """Return a limit again with all that its answer shows."""
        return self._with_processes(self.queryset.all()).get(pk=row.pk)

    @extend_schema(parameters=[*FOLDER_PARAMETERS])
    def create(self, request: Request) -> Response:
        """Make a limit, and say which processes use how much of it. It takes the right to change those."""
        asked = self.asked()
        folder = folder_for(request, self.actor, asked.pop("folder", None))
        return self.created(services.create_limit(folder, actor=self.actor, **asked))

    def partial_update(self, request: Request, id: Any) -> Response:
        """Change a limit, or who shares it. What runs goes on; no more begins until it fits."""
        return self.operate(services.update_limit)

    def destroy(self, request: Request, id: Any) -> Response:
        """Take a limit away: the processes that shared it are not held by it any more."""
        return self.remove(services.delete_limit)

    def _with_processes(self, limits: QuerySet[NamedLimit]) -> QuerySet[NamedLimit]:
        if getattr(self, "swagger_fake_view", False):
            return limits
        known = Process.objects.alive().visible_to(self.actor)
        seen = ProcessLimit.objects.filter(process__in=known).select_related("process").order_by("process__name")
        return limits.prefetch_related(Prefetch("process_limits", queryset=seen, to_attr="seen_processes"))
