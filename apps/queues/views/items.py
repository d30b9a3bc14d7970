"""Items of queues, and what their holders say about them."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.identifiers import parse_id
from apps.core.api.problems import problem
from apps.core.api.strict_json import BODY_LIMIT, NODE_LIMIT
from apps.core.api.views import ApiViewSet
from apps.core.edge.limits import counted
from apps.core.errors import NotFound
from apps.queues import services
from apps.queues.filters import ItemFilters
from apps.queues.models import ItemLease, Queue, QueueItem
from apps.queues.rules.outcomes import Outcome
from apps.queues.serializers.items import (
    CreatedItems,
    CreateItem,
    CreateItems,
    FinishLease,
    FinishLeases,
    ItemOut,
    ItemRow,
    LeaseOut,
    PostponeItem,
    PrioritiseItem,
    RenewLease,
    ReviewItem,
    SettledMany,
    SettledOut,
    report_of,
    settled_bodies,
    settled_body,
)
from apps.rbac import services as rbac
from apps.tenancy.views.pages import BigTableViewSet, Path

#: A thousand items with their payloads: values, and bytes.
BULK_NODES: Final = 200_000
BULK_BYTES: Final = 8 * 1024 * 1024
#: What can be megabytes long, and no list shows.
_LONG: Final = ("payload", "result", "progress", "error_reason", "review_comment")
ITEM_PATHS: Final = (
    Path(("lineage",)),
    Path(("job_id",)),
    Path(("queue_id", "reference")),
    # What has none of these is not in their indexes.
    Path(("queue_id", "error_code"), unless={"error_code": frozenset({""})}),
    Path(("queue_id", "review_status"), unless={"review_status": frozenset({"none"})}),
    Path(("queue_id", "error_type"), unless={"error_type": frozenset({""})}),
    Path(("queue_id", "status")),
    Path(("queue_id",)),
    Path(("folder_id",)),
    Path(("tenant_id",), is_key=True),
)


class ItemViewSet(BigTableViewSet):
    """Items: pieces of business work, each a try at one."""

    queryset = QueueItem.objects.alive().select_related("queue", "folder", "schema")
    serializer_class = ItemOut
    filterset_class = ItemFilters
    view_permission = "queues.view_queueitem"
    paths = ITEM_PATHS
    input_serializers = {
        "create": CreateItem,
        "bulk": CreateItems,
        "postpone": PostponeItem,
        "prioritise": PrioritiseItem,
        "review": ReviewItem,
    }

    @property
    def node_limit(self) -> int:
        """How many values a body may have."""
        return BULK_NODES if self.action == "bulk" else NODE_LIMIT

    @property
    def body_limit(self) -> int:
        """How many bytes a body may have: a payload as large as may be has room in it."""
        return BULK_BYTES if self.action == "bulk" else 2 * BODY_LIMIT

    def get_queryset(self) -> QuerySet[QueueItem]:
        """Return the items the caller may see; a list leaves out what can be long."""
        visible = super().get_queryset()
        return visible.defer(*_LONG) if self.action == "list" else visible

    def get_serializer_class(self) -> Any:
        """Return the lean shape for lists."""
        return ItemRow if self.action == "list" else super().get_serializer_class()

    @counted("items")
    def create(self, request: Request) -> Response:
        """Add an item to a queue. Where the queue keeps references unique, one that is taken is refused."""
        asked = self.asked()
        [item] = services.add_items(asked.pop("queue"), actor=self.actor, wanted=[services.Wanted(**asked)])
        return self.created(item)

    @counted("items")
    @extend_schema(responses={201: CreatedItems})
    @action(detail=False, methods=["post"])
    def bulk(self, request: Request) -> Response:
        """Add up to 1,000 items to a queue at once: all are added, or none. What is wrong is named with its row."""
        asked = self.asked()
        wanted = [services.Wanted(**one) for one in asked["items"]]
        items = services.add_items(asked["queue"], actor=self.actor, wanted=wanted)
        return Response(CreatedItems({"count": len(items), "items": [item.pk for item in items]}).data, status=201)

    def destroy(self, request: Request, id: Any) -> Response:
        """Take an item out of its queue. Refused while somebody works on it."""
        return self.remove(services.delete_item)

    @extend_schema(responses={201: ItemOut})
    @action(detail=True, methods=["post"])
    def requeue(self, request: Request, id: Any) -> Response:
        """Try a failed or abandoned item again, as a new one that points at it; its attempts begin anew."""
        return self.created(services.requeue_item(self._item(), actor=self.actor))

    @action(detail=True, methods=["post"])
    def postpone(self, request: Request, id: Any) -> Response:
        """Have a waiting item handed out not before a moment."""
        return self.operate(services.postpone_item)

    @action(detail=True, methods=["post"])
    def prioritise(self, request: Request, id: Any) -> Response:
        """Move a waiting item forwards or backwards in line. Higher is handed out sooner."""
        return self.operate(services.prioritise_item)

    @action(detail=True, methods=["post"])
    def review(self, request: Request, id: Any) -> Response:
        """Note what you think of an item that is over."""
        return self.operate(services.review_item)

    def _item(self) -> QueueItem:
        item: Any = self.get_object()
        return item  # type: ignore[no-any-return]


class ItemLeaseViewSet(ApiViewSet):
    """Leases: rights to work on items. Only who holds one speaks about it."""

    http_method_names = ["post", "options"]
    queryset = ItemLease.objects.all()
    serializer_class = LeaseOut
    input_serializers = {"renew": RenewLease, "finish": FinishLease, "finish_many": FinishLeases}

    @property
    def body_limit(self) -> int:
        """How many bytes a body may have: a result as large as may be has room in it."""
        return BULK_BYTES if self.action == "finish_many" else 2 * BODY_LIMIT

    @counted("items")
    @extend_schema(responses=LeaseOut)
    def renew(self, request: Request, id: Any) -> Response:
        """Hold an item for longer, by its queue's time, and say how far the work is."""
        lease, asked = self._held()
        return self.answer(services.renew_item(lease, actor=self.actor, **asked))

    @counted("items")
    @extend_schema(responses=SettledOut)
    def finish(self, request: Request, id: Any) -> HttpResponseBase:
        """Say how the work on an item ended. The same report again gets the same answer.

        After an application error another try is made where the queue says so: `successor` names it. A report that
        comes too late to count is refused with 409 and kept aside.
        """
        lease, asked = self._held()
        return self._settle(lease, report_of(asked))

    @counted("items")
    @extend_schema(operation_id="item_leases_finish_many", responses=SettledMany)
    def finish_many(self, request: Request) -> Response:
        """Say how the work on up to 100 items ended; each report counts, or does not, as if it came alone.

        A report that is late or in conflict is told so in its own `answer`. Nothing is settled where one report says
        too much or too little, or names a lease that is not yours.
        """
        told = [(one.pop("lease"), report_of(one)) for one in self.asked()["reports"]]
        self._require_taking({lease for lease, _ in told})
        leases = services.find_leases([lease for lease, _ in told], actor=self.actor)
        reports = list(zip(leases, (report for _, report in told), strict=True))
        return Response(settled_bodies(reports, services.finish_items(reports, actor=self.actor)))

    @counted("items")
    @extend_schema(responses=SettledOut)
    def release(self, request: Request, id: Any) -> HttpResponseBase:
        """Give an item back untouched; that costs it no attempt."""
        lease, _ = self._held()
        return self._settle(lease, services.Report(Outcome.RELEASED))

    def _settle(self, lease: ItemLease, report: services.Report) -> HttpResponseBase:
        settled = services.finish_item(lease, actor=self.actor, report=report)
        if not settled.answer.counts:
            return problem(409, settled.answer.value, settled.answer.in_words)
        return Response(settled_body(settled))

    def _held(self) -> tuple[ItemLease, dict[str, Any]]:
        """Return the lease of the address, which the caller holds, and what the body says.

        Who may not take items at all is told that.
        """
        lease_id = parse_id(self.kwargs["id"])
        if not self._require_taking({lease_id}):
            raise NotFound("There is no such lease.", code="unknown")
        asked = self.asked() if self.action in self.input_serializers else {}
        return services.find_lease(lease_id, actor=self.actor), asked

    def _require_taking(self, leases: set[UUID]) -> list[Queue]:
        """Return the queues of leases that the caller may see. Raises ``NotAllowed`` where it may take nothing."""
        named = ItemLease.objects.filter(lease_id__in=leases).values("queue")
        queues = list(Queue.objects.visible_to(self.actor).select_related("folder").filter(pk__in=named))
        for queue in queues:
            rbac.require(self.actor, "queues.take_queueitem", queue)
        return queues
