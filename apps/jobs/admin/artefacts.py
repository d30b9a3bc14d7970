"""Pages of the files that jobs left, and the panel that lists them on a job's and an execution's page."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString
from unfold.paginator import InfinitePaginator

from apps.core.admin import display
from apps.core.admin.filters import RelatedFilter, WindowFilter
from apps.core.admin.operations import Operation
from apps.core.admin.pages import Chips, OperatorAdmin
from apps.core.admin.panels import AnyPanel, Facts, Page, Panel
from apps.core.api.files import handed_out
from apps.jobs import services
from apps.jobs.models import Artefact

#: So many files a panel lists; the API lists all.
MOST_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class File:
    """A file as the panel shows it."""

    link: SafeString | str
    number: int
    size: str
    kind: str
    left: SafeString | str
    sha256: str
    download: str


def panels(left: QuerySet[Artefact], *, with_tries: bool = False) -> list[AnyPanel]:
    """Return the list of what was left, in the order in which it was; nothing where nothing was.

    ``with_tries`` also says by which try.
    """
    rows = left.select_related("execution").only(
        "name", "size_bytes", "content_type", "created_at", "sha256", "execution__number"
    )
    found = list(rows.order_by("pk")[: MOST_SHOWN + 1])
    more = left.count() - MOST_SHOWN if len(found) > MOST_SHOWN else 0
    context = {"artefacts": [_file(one) for one in found[:MOST_SHOWN]], "more": more, "with_tries": with_tries}
    listed = Panel("Files it left", "jobs/artefacts.html", context, icon="attach_file", anchor="artefacts")
    return [listed] if found else []


@display.column("File")
def named(artefact: Artefact) -> str:
    """Name the file."""
    return artefact.name


@display.column("Size")
def size(artefact: Artefact) -> SafeString:
    """Say how large it is."""
    return display.nowrap(display.bytes_as_text(artefact.size_bytes))


@display.column("Kind")
def kind(artefact: Artefact) -> str:
    """Say what its job says it is."""
    return artefact.content_type or display.NOTHING


@admin.register(Artefact)
class ArtefactAdmin(OperatorAdmin):
    """Files that jobs left."""

    list_display = [
        named,
        size,
        kind,
        display.linked("job", "Job"),
        display.when("created_at", "Left"),
        display.linked("tenant", "Tenant"),
    ]
    list_filter = [WindowFilter, ("tenant", RelatedFilter), ("folder", RelatedFilter)]
    list_select_related = ["job__process", "execution", "folder", "tenant"]
    linked_rows = ["job", "tenant"]
    search_fields = ["name"]
    ordering = ["-id"]
    sortable_by = ()
    paginator = InfinitePaginator
    view_permission = "jobs.view_job"
    empty_title = "No files in this time"
    empty_text = "A job leaves one with bv_robot.job.artefact(…). Older ones show under a longer time."
    empty_icon = "attach_file"
    operations = (
        Operation(
            name="delete",
            title="Delete",
            permission="jobs.delete_artefact",
            service=services.delete_artefact,
            explain="The file is gone for good. That it was here, its size and its hash stay in the audit trail.",
            icon="delete",
            tone="danger",
            button="Delete the file",
            done="The file is deleted.",
            is_bulk=True,
            ends_row=True,
        ),
    )

    def quick_filters(self, request: HttpRequest) -> Chips:
        windows = [(name, title) for name, title, _ in WindowFilter.windows]
        return [display.chips(request, "since", windows, default=WindowFilter.default)]

    def page(self, request: HttpRequest, row: Artefact) -> Page:
        link = self.links(request)
        facts: list[tuple[str, Any]] = [
            ("Size", display.bytes_as_text(row.size_bytes)),
            ("Kind", kind(row)),
            ("SHA-256", display.mono(row.sha256)),
            ("Left", display.moment(row.created_at)),
            ("Job", link(row.job, display.short(row.job_id))),
            ("Execution", display.link(row.execution, f"Try {row.execution.number}")),
            ("Process", link(row.job.process)),
            ("Folder", link(row.folder)),
            ("Tenant", link(row.tenant)),
            ("Id", row.pk),
        ]
        download = ("download", "Download", self.address(row, "download"))
        return Page(steps=[download], main=[Facts("About it", facts)])

    def own_urls(self) -> list[URLPattern]:
        return [self.url("<uuid:object_id>/download/", "download", self.download)]

    def download(self, request: HttpRequest, object_id: UUID) -> HttpResponseBase:
        """Give the file. Each download stands in the audit trail."""
        artefact = self.row_or_404(request, object_id)
        noted = partial(services.note_artefact_download, actor=self.actor(request))
        return handed_out(request, artefact, name=artefact.name, opened=services.ARTEFACTS.open, noted=noted)


def _file(artefact: Artefact) -> File:
    return File(
        link=display.link(artefact),
        number=artefact.execution.number,
        size=display.bytes_as_text(artefact.size_bytes),
        kind=kind(artefact),
        left=display.moment(artefact.created_at),
        sha256=artefact.sha256,
        download=reverse("admin:jobs_artefact_download", args=[artefact.pk]),
    )
