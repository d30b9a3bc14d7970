"""Pages of folders."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.actors import Actor
from apps.core.admin import bins, display
from apps.core.admin.filters import RelatedFilter
from apps.core.admin.forms import OperatorForm
from apps.core.admin.operations import Creation, Operation
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import Facts, Page, Table
from apps.tenancy import services
from apps.tenancy.admin.places import PlaceField
from apps.tenancy.models import Folder


class NameForm(OperatorForm):
    """Asks for the name of a folder."""

    name = forms.CharField(max_length=100)


class NewFolderForm(OperatorForm):
    """Asks for a folder's name and what it is inside of."""

    name = forms.CharField(max_length=100)
    inside = PlaceField(label="Inside of", help_text="What is granted on a folder reaches down to all inside it.")

    def offer(self) -> None:
        place: Any = self.fields["inside"]
        place.offer(self.actor, "tenancy.add_folder")


def _make(actor: Actor, asked: dict[str, Any]) -> tuple[Folder, None]:
    return services.create_folder(asked["inside"], actor=actor, name=asked["name"]), None


@display.column("Name")
def indented(folder: Folder) -> SafeString:
    """Show how deep a folder lies."""
    marks = "└ " if folder.depth > 1 else ""
    return format_html('<span class="op-deep op-deep-{}">{}{}</span>', folder.depth, marks, folder.name)


@display.column("")
def default_mark(folder: Folder) -> SafeString | str:
    """Mark the folder that every tenant has."""
    return display.badge("default") if folder.is_default else ""


@admin.register(Folder)
class FolderAdmin(OperatorAdmin):
    """The places in which work lives, as a tree."""

    list_display = [indented, display.linked("tenant", "Tenant"), default_mark, display.when("created_at", "Made")]
    list_filter = [("tenant", RelatedFilter)]
    list_select_related = ["tenant", "parent"]
    linked_rows = ["tenant"]
    search_fields = ["name"]
    ordering = ["tenant__name", "path"]
    sortable_by = ()
    empty_title = "No folder yet"
    empty_text = "Every tenant has a folder “Shared”; more of them keep teams or stages apart."
    empty_icon = "create_new_folder"
    creation = Creation(title="Add a folder", permission="tenancy.add_folder", form=NewFolderForm, make=_make)
    operations = [
        Operation(
            name="rename",
            title="Rename",
            permission="tenancy.change_folder",
            service=services.rename_folder,
            explain="What is in it stays where it is.",
            form=NameForm,
            initial=lambda folder: {"name": folder.name},
            icon="edit",
            done="The folder is renamed.",
            is_main=True,
        ),
        Operation(
            name="delete",
            title="Delete",
            permission="tenancy.delete_folder",
            service=services.delete_folder,
            explain="It goes out of every list and its name is free again. A folder with folders inside stays.",
            icon="delete",
            tone="danger",
            done="The folder is deleted.",
            applies=lambda folder: not folder.is_default,
            ends_row=True,
        ),
        bins.restoration(
            "tenancy.delete_folder",
            services.restore_folder,
            "It comes back empty, with the roles that are held on it. What was in it is restored one by one.",
        ),
    ]

    def page(self, request: HttpRequest, row: Folder) -> Page:
        actor = self.actor(request)
        inside = Folder.objects.visible_to(actor).alive().filter(parent=row).order_by("name")
        link = self.links(request)
        facts = [
            ("Tenant", link(row.tenant)),
            ("Inside of", link(row.parent) if row.parent else "the top level"),
            ("Made", display.moment(row.created_at)),
            ("Id", row.pk),
        ]
        empty = "No folders inside. Packages, processes and jobs name the folder they are in."
        return Page(
            badges=[display.badge("default")] if row.is_default else [],
            main=[
                Table("Folders inside", ["Name"], [[display.link(folder)] for folder in inside], empty, icon="folder")
            ],
            side=[Facts("About it", facts)],
        )
