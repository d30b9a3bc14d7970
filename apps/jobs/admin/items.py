"""Pages of items that wait in queues, are worked on, or are over."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from unfold.paginator import InfinitePaginator

from apps.core.actors import Actor
from apps.core.admin import display
from apps.core.admin.filters import RelatedFilter, WindowFilter, choice
from apps.core.admin.forms import OperatorForm
from apps.core.admin.operations import Creation, Operation
from apps.core.admin.pages import Chips, OperatorAdmin
from apps.core.admin.panels import Page
from apps.jobs.admin import item_filters, item_jobs, item_pages, job_pages
from apps.jobs.admin.item_forms import AddItemAsJsonForm, AddItemForm, ItemPriorityForm, PostponeForm, ReviewForm
from apps.queues import services
from apps.queues.admin import file_forms
from apps.queues.models import MOST_OWNED, ItemBulkAction, ItemStatus, Queue, QueueItem, ReviewStatus
from apps.rbac import services as rbac

#: What can be megabytes long, and no list shows.
LONG = ("payload", "result", "progress", "error_reason", "review_comment")
#: So many queues are offered where a new item shall wait.
MOST_QUEUES = 500

OPERATIONS = (
    Operation(
        name="requeue",
        title="Requeue",
        permission="queues.requeue_queueitem",
        service=services.requeue_item,
        explain="Makes a new try at it, whose attempts begin anew. This one keeps its outcome.",
        icon="replay",
        done="It is tried again: this is the new try.",
        applies=lambda item: item.status in (ItemStatus.FAILED, ItemStatus.ABANDONED),
        then=lambda item, again: again,
        is_bulk=True,
        is_main=True,
    ),
    Operation(
        name="review",
        title="Review",
        permission="queues.review_queueitem",
        service=services.review_item,
        explain="Notes what you think of it. What waits for review shows in the list under “To be reviewed”.",
        form=ReviewForm,
        initial=lambda item: {"comment": item.review_comment},
        icon="rate_review",
        button="Save",
        done="Your review is noted.",
        applies=lambda item: item.is_final,
        is_bulk=True,
        is_main=True,
    ),
    Operation(
        name="prioritise",
        title="Change priority",
        permission="queues.requeue_queueitem",
        service=services.prioritise_item,
        explain="Moves it forwards or backwards in line.",
        form=ItemPriorityForm,
        initial=lambda item: {"priority": item.priority},
        icon="low_priority",
        done="The priority is changed.",
        applies=lambda item: item.status == ItemStatus.NEW,
        is_bulk=True,
        is_main=True,
    ),
    Operation(
        name="postpone",
        title="Postpone",
        permission="queues.requeue_queueitem",
        service=services.postpone_item,
        explain="It is not handed out before.",
        form=PostponeForm,
        initial=lambda item: {"until": item.available_at},
        icon="snooze",
        done="It is postponed.",
        applies=lambda item: item.status == ItemStatus.NEW,
        is_bulk=True,
        is_main=True,
    ),
    Operation(
        name="bring",
        title="Bring a file",
        permission="queues.add_itemfile",
        service=file_forms.bring_to_item,
        explain="Gives it a file, which whoever works on it reads. All tries at it have the same files.",
        form=file_forms.BringForm,
        icon="upload_file",
        button="Bring it",
        done="The item has the file.",
    ),
    Operation(
        name="delete",
        title="Delete",
        permission="queues.delete_queueitem",
        service=services.delete_item,
        explain="Takes it out of its queue and of every list. Refused while somebody works on it.",
        icon="delete",
        tone="danger",
        done="The item is deleted.",
        applies=lambda item: item.status != ItemStatus.IN_PROGRESS,
        is_bulk=True,
        ends_row=True,
    ),
)
LIVE = tuple(display.refreshing(one) for one in (item_pages.status, item_pages.review, item_pages.ended))


def _make(actor: Actor, asked: dict[str, Any]) -> tuple[QueueItem, None]:
    [item] = services.add_items(asked["queue"], actor=actor, wanted=[asked["wanted"]])
    return item, None


@admin.register(QueueItem)
class ItemAdmin(OperatorAdmin):
    """Pieces of business work, each a try at one."""

    list_display = [
        item_pages.named,
        display.linked("queue", "Queue"),
        *LIVE[:2],
        "priority",
        display.column("Try")(lambda item: item.attempt),
        display.when("created_at", "Added"),
        *LIVE[2:],
        display.linked("tenant", "Tenant"),
    ]
    list_filter = [
        item_filters.ItemWindowFilter,
        ("queue", RelatedFilter),
        choice("status"),
        choice("review_status"),
        choice("error_type"),
        item_filters.LateFilter,
        item_filters.ReferenceFilter,
        item_filters.PriorityFilter,
        item_filters.TagFilter,
        item_filters.JobFilter,
        ("tenant", RelatedFilter),
        ("folder", RelatedFilter),
    ]
    list_select_related = ["queue", "tenant"]
    linked_rows = ["queue", "tenant"]
    search_fields = ["reference"]
    search_help_text = "Reference, whole, or an item's id"
    ordering = ["-id"]
    sortable_by = ()
    paginator = InfinitePaginator
    empty_title = "No items in this time"
    empty_text = "Items are added here, by programs and by running jobs. Older ones show under a longer time."
    empty_icon = "inbox"
    creation = Creation(
        title="Add an item",
        permission="queues.add_queueitem",
        form=AddItemForm,
        make=_make,
        button="Add it",
        template="queues/add_item.html",
    )
    operations = OPERATIONS
    live_columns = LIVE
    shown_reviews: ClassVar[tuple[ReviewStatus, ...]] = (ReviewStatus.OPEN, ReviewStatus.IN_REVIEW)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).defer(*LONG)
        return rows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find all tries at an item by the id of one of them, or items by their reference."""
        wanted = search_term.strip()
        if not wanted:
            return queryset, False
        try:
            identity = UUID(wanted)
        except ValueError:
            items: Any = queryset
            return items.referenced(wanted, self.actor(request)), False
        return queryset.filter(Q(pk=identity) | Q(lineage=identity)), False

    def quick_filters(self, request: HttpRequest) -> Chips:
        statuses = [("", "All"), *((one.value, str(one.label)) for one in ItemStatus)]
        reviews = [("", "Reviewed or not"), *((one.value, str(one.label)) for one in self.shown_reviews)]
        windows = [(name, title) for name, title, _ in WindowFilter.windows]
        return [
            display.chips(request, "status__exact", statuses),
            display.chips(request, "review_status__exact", reviews),
            display.chips(request, "since", windows, default=item_filters.default_window(request)),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        acts = []
        if "queue__id__exact" in request.GET and item_jobs.may_make(self, request):
            address = f"{reverse('admin:queues_queueitem_job')}?{request.GET.urlencode()}"
            acts.append((f"Make a job of the first {MOST_OWNED} that wait…", address))
        address = f"{reverse('admin:queues_itembulkchange_add')}?{request.GET.urlencode()}"
        may = any(self.admin_site.holds(request, action.permission) for action in ItemBulkAction)
        context = {"list_acts": acts, "bulk_address": address if may else ""}
        return super().changelist_view(request, {**(extra_context or {}), **context})

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the operations on ticked items, and making one job of them all."""
        job = {"job": (item_jobs.ask_for_ticked, "job", "Make a job of them")}
        return {**super().get_actions(request), **(job if item_jobs.may_make(self, request) else {})}

    def own_urls(self) -> list[URLPattern]:
        return [self.url("job/", "job", partial(item_jobs.view, self))]

    def may_change(self, row: QueueItem) -> bool:
        return not row.is_final

    def is_live(self, row: QueueItem) -> bool:
        return not row.is_final and row.deleted_at is None

    def title_of(self, row: QueueItem) -> str:
        return str(row)

    def page(self, request: HttpRequest, row: QueueItem) -> Page:
        actor, link = self.actor(request), self.links(request)
        return Page(
            badges=[
                item_pages.status(row),
                *([item_pages.review(row)] if row.review_status != ReviewStatus.NONE else []),
            ],
            lead=job_pages.progress_of(row) if row.status == ItemStatus.IN_PROGRESS else "",
            notices=item_pages.notices_of(row),
            steps=self._steps(request, row),
            main=item_pages.main_panels(row, actor),
            side=item_pages.side_panels(row, link),
        )

    def _steps(self, request: HttpRequest, item: QueueItem) -> list[tuple[str, str, str]]:
        is_free = item.status == ItemStatus.NEW and item.reserved_for is None and item.deleted_at is None
        if not is_free or not item_jobs.may_make(self, request):
            return []
        return [("play_arrow", "Make a job of it", f"{reverse('admin:queues_queueitem_job')}?item={item.pk}")]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for the queue first: it says what payloads look like."""
        queues = self._queues(request)
        queue = _chosen(queues, request.GET.get("queue", ""))
        if queue is None and self.has_add_permission(request):
            context = {"queues": queues[:MOST_QUEUES], "creation": self.creation, "title": self.creation.title}
            return self.render(request, "queues/choose_queue.html", **context)
        request.queue = queue  # type: ignore[attr-defined]
        return super().add_view(request, form_url, extra_context)

    def _queues(self, request: HttpRequest) -> QuerySet[Queue]:
        alive = rbac.visible(Queue.objects.alive(), self.actor(request), "queues.add_queueitem")
        return alive.select_related("tenant", "folder", "schema").order_by("tenant__name", "tenant_id", "name")

    def _form(self, request: HttpRequest, form: type[OperatorForm], **about: Any) -> OperatorForm:
        if form is AddItemForm and "json" in request.GET:
            form = AddItemAsJsonForm
        return super()._form(request, form, place=getattr(request, "queue", None), **about)


def _chosen(queues: QuerySet[Queue], identity: str) -> Queue | None:
    """Return the queue that was asked for, or the only one there is."""
    try:
        wanted = UUID(identity)
    except ValueError:
        first = list(queues[:2])
        return first[0] if len(first) == 1 else None
    return queues.filter(pk=wanted).first()
