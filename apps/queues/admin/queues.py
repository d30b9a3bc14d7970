"""Pages of queues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.forms.models import model_to_dict
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, reverse

from apps.accounts.admin import sharing
from apps.core.actors import Actor
from apps.core.admin import bins, display
from apps.core.admin.filters import RelatedFilter, yes_no
from apps.core.admin.forms import ReasonForm
from apps.core.admin.operations import Creation, Operation
from apps.core.admin.panels import Page, Text
from apps.queues import services
from apps.queues.admin import queue_charts, queue_pages
from apps.queues.admin.queue_forms import NewQueueForm, QueueForm
from apps.queues.admin.uploads import UploadPages
from apps.queues.models import Queue, QueueSchema
from apps.queues.models.statistics import glance_at, statistics_of


def _make(actor: Actor, asked: dict[str, Any]) -> tuple[Queue, None]:
    return services.create_queue(asked.pop("folder"), actor=actor, **asked), None


def _as_it_is(queue: Queue) -> dict[str, Any]:
    return {**model_to_dict(queue), "schema": queue.schema.document if queue.schema else None}


LIVE = tuple(
    display.refreshing(column)
    for column in (
        queue_pages.state,
        queue_pages.waiting,
        queue_pages.in_progress,
        queue_pages.failed,
        queue_pages.oldest,
    )
)


@admin.register(Queue)
class QueueAdmin(UploadPages):
    """Where business work waits."""

    list_display = [
        "name",
        *LIVE,
        display.linked("folder", "Folder"),
        display.linked("tenant", "Tenant"),
    ]
    list_filter = [("tenant", RelatedFilter), ("folder", RelatedFilter), yes_no("paused")]
    list_select_related = ["folder", "tenant"]
    linked_rows = ["folder", "tenant"]
    search_fields = ["name", "description"]
    ordering = ["name"]
    sortable_by = ["name"]
    live_columns = LIVE
    empty_title = "No queues yet"
    empty_text = "Work that comes piece by piece waits in a queue until a robot, or another program, takes it."
    empty_icon = "inbox"
    creation = Creation(
        title="Add a queue",
        permission="queues.add_queue",
        form=NewQueueForm,
        make=_make,
        explain="A name is enough; everything else can be changed later.",
    )
    operations = [
        Operation(
            name="edit",
            title="Edit",
            permission="queues.change_queue",
            service=services.update_queue,
            explain="It holds for items to come, and for what becomes of those that wait.",
            form=QueueForm,
            initial=_as_it_is,
            icon="edit",
            button="Save",
            done="The queue is changed.",
            is_main=True,
        ),
        Operation(
            name="pause",
            title="Pause",
            permission="queues.pause_queue",
            service=services.pause_queue,
            explain="It hands out nothing until it is resumed. Items still come in, and what is in progress goes on.",
            form=ReasonForm,
            icon="pause_circle",
            done="The queue is paused.",
            applies=lambda queue: not queue.paused,
            is_bulk=True,
            is_main=True,
        ),
        Operation(
            name="resume",
            title="Resume",
            permission="queues.pause_queue",
            service=services.resume_queue,
            explain="It hands items out again.",
            icon="play_circle",
            done="The queue hands items out again.",
            applies=lambda queue: queue.paused,
            is_bulk=True,
            is_main=True,
        ),
        Operation(
            name="delete",
            title="Delete",
            permission="queues.delete_queue",
            service=services.delete_queue,
            explain="It goes out of every list and its name is free again; its items stay as history. Refused while "
            "any of them is unfinished.",
            icon="delete",
            tone="danger",
            done="The queue is deleted.",
            ends_row=True,
        ),
        bins.restoration("queues.delete_queue", services.restore_queue, "It comes back with all its items."),
        *sharing.OPERATIONS,
    ]

    def prepare(self, rows: Sequence[Any]) -> None:
        glances = glance_at([queue.pk for queue in rows])
        for queue in rows:
            queue.glance = glances[queue.pk]

    def may_change(self, row: Queue) -> bool:
        return row.deleted_at is None

    def is_live(self, row: Queue) -> bool:
        return row.deleted_at is None

    def page(self, request: HttpRequest, row: Queue) -> Page:
        actor, link = self.actor(request), self.links(request)
        told = statistics_of(row)
        return Page(
            badges=[queue_pages.state(row)],
            lead=row.description,
            steps=self._steps(request, row),
            notices=[f"It is paused: {row.paused_reason or 'nobody said why.'}"] if row.paused else [],
            main=[
                queue_pages.now_panel(row, told),
                queue_charts.panel(row),
                queue_pages.ended_panel(row, told),
                queue_pages.failures_panel(row, told),
            ],
            side=[
                queue_pages.about_panel(row, link),
                queue_pages.rules_panel(row),
                *queue_pages.schema_panels(row, queue_pages.schema_address(row)),
                *sharing.panels(row, actor),
            ],
        )

    def _steps(self, request: HttpRequest, queue: Queue) -> list[tuple[str, str, str]]:
        steps = []
        if queue.deleted_at is None and self.allows(request, "queues.add_queueitem", queue):
            steps.append(("add", "Add an item", f"{reverse('admin:queues_queueitem_add')}?queue={queue.pk}"))
            steps.append(("upload_file", "Upload a table of items", self.address(queue, "upload")))
        if self.admin_site.holds(request, "queues.view_queueitem"):
            steps.append(("list_alt", "Its items", queue_pages.items_of(queue)))
        return steps

    def own_urls(self) -> list[URLPattern]:
        return [
            *super().own_urls(),
            self.url("<uuid:object_id>/schema/<int:number>/", "schema", self.schema_view),
        ]

    def schema_view(self, request: HttpRequest, object_id: UUID, number: int) -> HttpResponse:
        """Show one version of what payloads had to look like."""
        queue = self.row_or_404(request, object_id)
        version = QueueSchema.objects.filter(queue=queue, number=number).first()
        if version is None:
            raise Http404
        page = Page(
            lead=f"Made by {version.made_by}, {display.exactly(version.created_at)}.",
            steps=[("arrow_back", "Back to the queue", self.address(queue))],
            main=[Text.of_json(f"Version {number} of its schema", version.document, icon="rule")],
        )
        return self.render(request, self.row_template, queue, page=page)
