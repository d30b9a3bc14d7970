"""Pages of files, of items and of stores, and the panel that lists them on the page of what they belong to."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Final
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.paginator import InfinitePaginator

from apps.core.admin import display
from apps.core.admin.filters import RelatedFilter
from apps.core.admin.operations import Operation
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import Facts, Page, Table
from apps.core.api.files import handed_out
from apps.queues import services
from apps.queues.admin import file_forms
from apps.queues.models import ItemFile, StoredFile
from apps.queues.models.files import KeptFile

#: So many files a panel lists; the list has all.
MOST_SHOWN: Final = 100


@display.column("File")
def named(file: KeptFile) -> SafeString:
    """Name the file; a path may be long."""
    return _name(file.called)


@display.column("Size", order="size_bytes")
def size(file: KeptFile) -> SafeString:
    """Say how large it is."""
    return display.nowrap(display.bytes_as_text(file.size_bytes))


@display.column("Kind")
def kind(file: KeptFile) -> str:
    """Say what whoever brought it says it is."""
    return file.content_type or display.NOTHING


def panel(files: QuerySet[Any], *, empty: str, all_of_them: str = "") -> Table:
    """Return the list of files by name; ``all_of_them`` is the address of a list that has them all."""
    found = list(files.order_by(files.model.NAMED_BY)[: MOST_SHOWN + 1])
    rows = [
        [_named_link(one), size(one), display.moment(one.created_at), _download_link(one)] for one in found[:MOST_SHOWN]
    ]
    more = (all_of_them, "All files") if len(found) > MOST_SHOWN and all_of_them else None
    return Table("Files", ["File", "Size", "Written", ""], rows, empty, more=more, icon="attach_file", anchor="files")


class KeptFileAdmin(OperatorAdmin):
    """What pages of files have in common."""

    ordering = ["-id"]
    sortable_by = ()
    paginator = InfinitePaginator
    empty_title = "No files yet"
    empty_icon = "attach_file"
    #: What it takes to delete one.
    delete_permission: ClassVar[str]

    def page(self, request: HttpRequest, row: Any) -> Page:
        link = self.links(request)
        facts: list[tuple[str, Any]] = [
            (row.OWNED_BY.capitalize(), link(row.lies_in)),
            ("Size", display.bytes_as_text(row.size_bytes)),
            ("Kind", kind(row)),
            ("SHA-256", display.mono(row.sha256)),
            ("Written", display.moment(row.created_at)),
            *self.more_facts(row),
            ("Tenant", link(row.tenant)),
            ("Id", row.pk),
        ]
        download = ("download", "Download", self.address(row, "download"))
        return Page(steps=[download], main=[Facts("About it", facts)])

    def more_facts(self, row: Any) -> list[tuple[str, Any]]:
        """Return what else is known of such a file."""
        return []

    def history_address(self, request: HttpRequest, row: Any) -> str:
        """Lead to the trail of what it belongs to, where what is done to its files stands."""
        return super().history_address(request, row.lies_in)

    def own_urls(self) -> list[URLPattern]:
        return [self.url("<uuid:object_id>/download/", "download", self.download)]

    def download(self, request: HttpRequest, object_id: UUID) -> HttpResponseBase:
        """Give the file. Each download stands in the audit trail."""
        file = self.row_or_404(request, object_id)
        noted = partial(file_forms.note_download, actor=self.actor(request))
        name = file.called.rpartition("/")[2]
        return handed_out(request, file, name=name, opened=services.FILES.open, noted=noted)


def _deletion(permission: str) -> Operation:
    return Operation(
        name="delete",
        title="Delete",
        permission=permission,
        service=file_forms.delete_file,
        explain="The file is gone for good. That it was here, its size and its hash stay in the audit trail.",
        icon="delete",
        tone="danger",
        button="Delete the file",
        done="The file is deleted.",
        is_bulk=True,
        ends_row=True,
    )


@admin.register(ItemFile)
class ItemFileAdmin(KeptFileAdmin):
    """Files of items."""

    list_display = [
        named, size, kind, display.linked("item", "Item"), display.when("created_at", "Written"),
        display.linked("tenant", "Tenant"),
    ]  # fmt: skip
    list_filter = [("tenant", RelatedFilter)]
    list_select_related = ["item__folder", "item__queue", "tenant"]
    linked_rows = ["item", "tenant"]
    search_fields = ["name"]
    view_permission = "queues.view_queueitem"
    empty_text = "Whoever adds an item, or works on it, gives it files; so does “Bring a file” on its page."
    operations = (_deletion("queues.delete_itemfile"),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.filter(item__deleted_at=None).defer("item__payload", "item__result", "item__progress")


@admin.register(StoredFile)
class StoredFileAdmin(KeptFileAdmin):
    """Files of stores."""

    list_display = [
        named, size, kind, display.linked("store", "Store"), "written_by", display.when("written_at", "Written"),
        display.linked("tenant", "Tenant"),
    ]  # fmt: skip
    list_filter = [("store", RelatedFilter), ("tenant", RelatedFilter)]
    list_select_related = ["store__folder", "tenant"]
    linked_rows = ["store", "tenant"]
    search_fields = ["path"]
    view_permission = "queues.view_filestore"
    empty_text = "Robots and programs write files into stores; so does “Bring a file” on the page of a store."
    operations = (_deletion("queues.delete_storedfile"),)

    def more_facts(self, row: Any) -> list[tuple[str, Any]]:
        return [("By", row.written_by)]


def _named_link(file: KeptFile) -> SafeString:
    return _name(display.link(file))


def _name(shown: SafeString | str) -> SafeString:
    return format_html('<span class="op-name">{}</span>', shown)


def _download_link(file: KeptFile) -> SafeString:
    address = reverse(f"admin:{file._meta.app_label}_{file._meta.model_name}_download", args=[file.pk])
    return format_html('<a class="op-link op-nowrap" href="{}">Download</a>', address)
