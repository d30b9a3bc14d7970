"""Pages of file stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Count, Sum
from django.forms.models import model_to_dict
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.accounts.admin import sharing
from apps.core.actors import Actor
from apps.core.admin import display
from apps.core.admin.filters import RelatedFilter
from apps.core.admin.operations import Creation, Operation
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import Facts, Page
from apps.queues import services
from apps.queues.admin import file_forms, files
from apps.queues.models import FileStore, StoredFile


def _make(actor: Actor, asked: dict[str, Any]) -> tuple[FileStore, None]:
    return services.create_store(asked.pop("folder"), actor=actor, **asked), None


@display.column("Files")
def count(store: Any) -> int:
    """Say how many files lie in it."""
    return int(store.held["count"])


@display.column("Size")
def size(store: Any) -> SafeString:
    """Say how large they are together."""
    return display.nowrap(display.bytes_as_text(store.held["size"]))


@admin.register(FileStore)
class FileStoreAdmin(OperatorAdmin):
    """Named places in folders for files that automations share."""

    list_display = ["name", count, size, display.linked("folder", "Folder"), display.linked("tenant", "Tenant")]
    list_filter = [("tenant", RelatedFilter), ("folder", RelatedFilter)]
    list_select_related = ["folder", "tenant"]
    linked_rows = ["folder", "tenant"]
    search_fields = ["name", "description"]
    ordering = ["name"]
    sortable_by = ["name"]
    empty_title = "No file stores yet"
    empty_text = "A file store is a place in a folder for files that automations read and write by name."
    empty_icon = "folder_open"
    creation = Creation(
        title="Add a file store",
        permission="queues.add_filestore",
        form=file_forms.NewStoreForm,
        make=_make,
    )
    operations = [
        Operation(
            name="bring",
            title="Bring a file",
            permission="queues.add_storedfile",
            service=file_forms.bring_to_store,
            explain="Puts a file into the store, where robots of its folder find it by its path.",
            form=file_forms.BringToStoreForm,
            icon="upload_file",
            button="Bring it",
            done="The file is in the store.",
            is_main=True,
        ),
        Operation(
            name="edit",
            title="Edit",
            permission="queues.change_filestore",
            service=services.update_store,
            explain="Automations name a store: renamed, it is found under its new name only.",
            form=file_forms.StoreForm,
            initial=model_to_dict,
            icon="edit",
            button="Save",
            done="The store is changed.",
            is_main=True,
        ),
        Operation(
            name="delete",
            title="Delete",
            permission="queues.delete_filestore",
            service=services.delete_store,
            explain="The store goes out of every list, and all files in it are gone for good.",
            icon="delete",
            tone="danger",
            button="Delete the store and its files",
            done="The store is deleted.",
            ends_row=True,
        ),
        *sharing.OPERATIONS,
    ]

    def prepare(self, rows: Sequence[Any]) -> None:
        inside = StoredFile.objects.filter(store__in=[row.pk for row in rows]).order_by().values("store")
        held = {one["store"]: one for one in inside.annotate(count=Count("pk"), size=Sum("size_bytes"))}
        for store in rows:
            store.held = held.get(store.pk, {"count": 0, "size": 0})

    def page(self, request: HttpRequest, row: FileStore) -> Page:
        self.prepare([row])
        link = self.links(request)
        facts: list[tuple[str, Any]] = [
            ("Files", count(row)),
            ("Size", size(row)),
            ("Folder", link(row.folder)),
            ("Tenant", link(row.tenant)),
            ("Added", display.moment(row.created_at)),
            ("Id", row.pk),
        ]
        everything = display.list_of(StoredFile, store__id__exact=row.pk)
        empty = "Nothing lies here yet. A job writes a file with bv_robot.job.store(…).write(…)."
        return Page(
            lead=row.description,
            main=[files.panel(StoredFile.objects.filter(store=row), empty=empty, all_of_them=everything)],
            side=[Facts("About it", facts), *sharing.panels(row, self.actor(request))],
        )
