"""Pages of package versions: what is in an upload, and whether it is used."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import FileResponse, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.admin import display
from apps.core.admin.filters import RelatedFilter, yes_no
from apps.core.admin.forms import ReasonForm
from apps.core.admin.operations import Operation
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import AnyPanel, Facts, Page, Table
from apps.packages import services
from apps.packages.admin import signatures
from apps.packages.models import Package, PackageVersion

MEDIA_TYPE = "application/vnd.bv.package+zip"
DOWNLOAD = "packages.download_packageversion"


@display.column("Status")
def state(version: PackageVersion) -> SafeString:
    """Say whether new jobs use it."""
    if version.deleted_at is not None:
        return display.badge("deleted", "bad")
    return display.badge("active", "good") if version.is_active else display.badge("not active", "care")


@display.column("Size")
def size(version: PackageVersion) -> str:
    """Say how large the file is."""
    return display.bytes_as_text(version.size_bytes)


@admin.register(PackageVersion)
class PackageVersionAdmin(OperatorAdmin):
    """Uploads. Each is immutable; what can change is whether new jobs use it."""

    list_display = [
        "version",
        display.linked("package", "Package"),
        state,
        size,
        display.when("created_at", "Uploaded"),
    ]
    list_filter = [yes_no("is_active"), ("package", RelatedFilter)]
    list_select_related = ["package", "folder"]
    linked_rows = ["package"]
    search_fields = ["package__name", "version"]
    ordering = ["-id"]
    view_permission = "packages.view_package"
    empty_text = "Versions come with uploads: upload a package."
    operations = [
        Operation(
            name="activate",
            title="Activate",
            permission="packages.change_package",
            service=services.activate_version,
            explain="New jobs of processes that follow the newest version may use it again.",
            icon="toggle_on",
            done="The version is active.",
            applies=lambda version: not version.is_active,
            is_bulk=True,
            is_main=True,
        ),
        Operation(
            name="deactivate",
            title="Deactivate",
            permission="packages.change_package",
            service=services.deactivate_version,
            explain="New jobs do not use it any more; jobs made for it still run.",
            form=ReasonForm,
            icon="toggle_off",
            done="The version is not active any more.",
            applies=lambda version: version.is_active,
            is_bulk=True,
            is_main=True,
        ),
        Operation(
            name="delete",
            title="Delete",
            permission="packages.delete_package",
            service=services.delete_version,
            explain="It goes out of every list and its number is never used again. Jobs made for it still run.",
            icon="delete",
            tone="danger",
            done="The version is deleted.",
            then=lambda version, _: version.package,
        ),
    ]

    def visible(self, request: HttpRequest) -> QuerySet[Any]:
        """Whoever may see a package may see its versions."""
        actor = self.actor(request)
        seen = Q(pk__in=PackageVersion.objects.visible_to(actor).values("pk"))
        return PackageVersion.objects.filter(seen | Q(package__in=Package.objects.visible_to(actor)))

    def page(self, request: HttpRequest, row: PackageVersion) -> Page:
        facts = [
            ("Package", display.link(row.package)),
            ("Kind", row.get_kind_display()),
            ("Python", row.python_version or display.NOTHING),
            ("Size", size(row)),
            ("SHA-256", format_html('<span class="op-mono">{}</span>', row.sha256)),
            ("Uploaded", display.moment(row.created_at)),
            ("By", row.uploaded_by),
            ("Id", row.pk),
        ]
        if self.allows(request, DOWNLOAD, row) and row.deleted_at is None:
            link = format_html('<a class="op-link" href="{}">{}</a>', self.address(row, "download"), row.file_name)
            facts.append(("File", link))
        panels: list[AnyPanel] = [signatures.panel_of(one) for one in row.entrypoints.all()]
        if row.warnings:
            panels.append(warnings_of(row))
        return Page(badges=[state(row)], lead=row.description, main=panels, side=[Facts("About it", facts)])

    def own_urls(self) -> list[URLPattern]:
        return [self.url("<uuid:object_id>/download/", "download", self.download)]

    def download(self, request: HttpRequest, object_id: UUID) -> HttpResponseBase:
        """Give the file. Each download stands in the audit trail."""
        version = self.row_or_404(request, object_id)
        self.require(request, DOWNLOAD, version)
        file = services.open_file(version)
        services.note_download(version, actor=self.actor(request))
        return FileResponse(file, as_attachment=True, filename=version.file_name, content_type=MEDIA_TYPE)


def warnings_of(version: PackageVersion) -> Table:
    """Return what the author of a package should know, although it was accepted."""
    rows = [[one.get("file"), one.get("line"), one.get("message")] for one in version.warnings]
    return Table("Warnings", ["File", "Line", "What"], rows, icon="warning")
