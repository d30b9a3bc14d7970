"""Queues."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.filters import PAGE_PARAMETERS
from apps.core.api.pagination import NewestFirst
from apps.core.api.rows import Reason, Restore, RowViewSet
from apps.core.edge.limits import counted
from apps.queues import services
from apps.queues.filters import QueueFilters
from apps.queues.models import Queue, QueueSchema
from apps.queues.models.statistics import statistics_of
from apps.queues.serializers.items import TakenItems
from apps.queues.serializers.queues import (
    CreateQueue,
    QueueOut,
    QueueSchemaOut,
    StatisticsOut,
    TakeItems,
    UpdateQueue,
)
from apps.tenancy.views.places import FOLDER_PARAMETERS, folder_for


class QueueViewSet(RowViewSet):
    """Queues: where business work waits."""

    http_method_names = ["get", "head", "post", "patch", "delete", "options"]
    queryset = Queue.objects.alive().select_related("folder", "schema")
    serializer_class = QueueOut
    filterset_class = QueueFilters
    orderings = ("name", "created_at")
    query_parameters = {"schemas": PAGE_PARAMETERS}
    input_serializers = {
        "restore": Restore,
        "create": CreateQueue,
        "partial_update": UpdateQueue,
        "pause": Reason,
        "take": TakeItems,
    }

    @extend_schema(parameters=[*FOLDER_PARAMETERS])
    def create(self, request: Request) -> Response:
        """Make a queue. What is left out is as usual: one try, no schema, references that need not be unique."""
        asked = self.asked()
        folder = folder_for(request, self.actor, asked.pop("folder", None))
        return self.created(services.create_queue(folder, actor=self.actor, **asked))

    def partial_update(self, request: Request, id: Any) -> Response:
        """Change a queue, for items to come and for what becomes of those that wait.

        Another `schema` becomes a new version; items that wait stay as they are.
        """
        return self.operate(services.update_queue)

    def destroy(self, request: Request, id: Any) -> Response:
        """Take a queue out of every list; its items stay as history. Refused while any is unfinished."""
        return self.remove(services.delete_queue)

    @action(detail=True, methods=["post"])
    def restore(self, request: Request, id: Any) -> Response:
        """Take a queue back out of the bin, with all its items.

        Refused with `name_taken`, and a `suggestion`, where the name was given away meanwhile: send another `name`.
        """
        return self.take_back(services.restore_queue)

    @action(detail=True, methods=["post"])
    def pause(self, request: Request, id: Any) -> Response:
        """Hand out nothing for now. Items are still taken in, and what is in progress goes on."""
        return self.operate(services.pause_queue)

    @action(detail=True, methods=["post"])
    def resume(self, request: Request, id: Any) -> Response:
        """Hand items out again."""
        return self.operate(services.resume_queue)

    @extend_schema(responses=QueueSchemaOut(many=True))
    @action(
        detail=True,
        methods=["get"],
        filterset_class=None,
        serializer_class=QueueSchemaOut,
        pagination_class=NewestFirst,
    )
    def schemas(self, request: Request, id: Any) -> Response:
        """List the versions of what payloads had to look like, the newest first."""
        page = self.paginate_queryset(QueueSchema.objects.filter(queue=self._queue()))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(responses=StatisticsOut)
    @action(detail=True, methods=["get"])
    def statistics(self, request: Request, id: Any) -> Response:
        """Tell how a queue is doing: what waits, what ended in the last day and how, and when it will be empty.

        Nothing is counted to its end where that would be long: `shown` says `10,000+`.
        """
        return Response(StatisticsOut(statistics_of(self._queue())).data)

    @counted("items")
    @extend_schema(responses=TakenItems)
    @action(detail=True, methods=["post"])
    def take(self, request: Request, id: Any) -> Response:
        """Take up to 100 items to work on them, best first: by priority, deadline, age. None where nothing waits.

        Each comes under a lease of yours. Renew it in time (`POST /item-leases/{id}/renew`), and say how the work
        ended (`…/finish`): a lease that runs out gives its item to somebody else.
        """
        queue = self._queue()
        holder = services.Holder(kind=self.actor.kind, id=UUID(self.actor.id))
        leases = services.take_items(queue, actor=self.actor, holder=holder, **self.asked())
        return Response(TakenItems({"items": leases}).data)

    def _queue(self) -> Queue:
        queue: Any = self.get_object()
        return queue  # type: ignore[no-any-return]
