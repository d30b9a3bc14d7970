"""Pages of packages, and the upload."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from apps.accounts.admin import sharing
from apps.core.actors import Actor
from apps.core.admin import bins, display
from apps.core.admin.filters import RelatedFilter, choice
from apps.core.admin.forms import FileInput, OperatorForm
from apps.core.admin.operations import Creation, Operation
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import AnyPanel, Facts, Page, Table
from apps.core.edge.limits import spend
from apps.core.errors import DomainError
from apps.packages import services
from apps.packages.admin import signatures, versions
from apps.packages.models import Package, PackageVersion
from apps.packages.rules import limits, validation
from apps.rbac import services as rbac
from apps.tenancy.admin.places import FolderField

#: A package with more versions shows the newest ones, and leads to the list.
VERSIONS_SHOWN = 20


class UploadForm(OperatorForm):
    """Asks for a package file, and shows everything that is wrong with it."""

    file = forms.FileField(
        label="Package file",
        widget=FileInput(accept=".bvpackage,.zip"),
        help_text="A .bvpackage file, made by “bv-robot package build”, "
        f"at most {limits.DEFAULT.packed_bytes // limits.MIB} MiB.",
    )
    folder = FolderField(help_text="Where it lives, and so who may see and run it.")

    def offer(self) -> None:
        folder: Any = self.fields["folder"]
        folder.offer(self.actor, "packages.upload_package")

    def refuse(self, refusal: DomainError) -> None:
        """Leave the problems of the file to their own table."""
        if "problems_found" not in refusal.extra:
            super().refuse(refusal)
            return
        self.refusal = refusal
        self.add_error("file", str(refusal))

    @property
    def problems(self) -> list[dict[str, Any]]:
        """Everything that is wrong with the file, each with its place in it."""
        return list(self.refusal.extra.get("problems_found", ())) if self.refusal is not None else []


def _upload(actor: Actor, asked: dict[str, Any]) -> tuple[PackageVersion, None]:
    file = asked["file"]
    rbac.require(actor, "packages.upload_package", asked["folder"])
    spend("upload", actor)
    report = validation.validate(file.file)
    file.seek(0)
    return services.publish_version(asked["folder"], actor=actor, report=report, file=file), None


@display.column("Newest version")
def newest(package: Any) -> str:
    """Name the version that new jobs use."""
    return package.latest["version"] if package.latest else display.NOTHING


@admin.register(Package)
class PackageAdmin(OperatorAdmin):
    """The automations there are."""

    list_display = [
        "name",
        newest,
        display.column("Kind")(lambda package: package.get_kind_display()),
        display.linked("folder", "Folder"),
        display.linked("tenant", "Tenant"),
        display.when("created_at", "First uploaded"),
    ]
    list_filter = [("tenant", RelatedFilter), ("folder", RelatedFilter), choice("kind")]
    list_select_related = ["folder", "tenant"]
    linked_rows = ["folder", "tenant"]
    search_fields = ["name", "description"]
    ordering = ["name"]
    empty_title = "No packages yet"
    empty_text = (
        "A package is an automation to run: Python code with a bvproject.yaml, built by “bv-robot package build”. "
        "Upload one, then make a process of it."
    )
    empty_icon = "deployed_code"
    creation = Creation(
        title="Upload a package",
        permission="packages.upload_package",
        form=UploadForm,
        make=_upload,
        button="Upload",
        icon="upload",
        explain="The file is checked as a whole, without unpacking or running it, and every problem is shown at once. "
        "A new name makes a new package; a known one gets a new version.",
        template="packages/upload.html",
    )
    operations = [
        Operation(
            name="delete",
            title="Delete",
            permission="packages.delete_package",
            service=services.delete_package,
            explain="The package and all its versions go out of every list and the name is free again. "
            "Refused while a process uses it.",
            icon="delete",
            tone="danger",
            done="The package is deleted.",
            ends_row=True,
        ),
        bins.restoration(
            "packages.delete_package",
            services.restore_package,
            "It comes back with the versions that were deleted with it.",
        ),
        *sharing.OPERATIONS,
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: Any = super().get_queryset(request)
        return rows.with_latest()  # type: ignore[no-any-return]

    def page(self, request: HttpRequest, row: Package) -> Page:
        link = self.links(request)
        newest_one = row.newest_version()
        main: list[AnyPanel] = [_versions(row)]
        if newest_one is not None:
            main += [signatures.panel_of(one) for one in newest_one.entrypoints.all()]
        facts = [
            ("Kind", row.get_kind_display()),
            ("Newest version", display.link(newest_one, newest_one.version) if newest_one else "none is active"),
            ("Folder", link(row.folder)),
            ("Tenant", link(row.tenant)),
            ("First uploaded", display.moment(row.created_at)),
            ("Id", row.pk),
        ]
        side: list[AnyPanel] = [Facts("About it", facts), *sharing.panels(row, self.actor(request))]
        return Page(lead=row.description, steps=self._steps(request, row), main=main, side=side)

    def _steps(self, request: HttpRequest, package: Package) -> list[tuple[str, str, str]]:
        steps = []
        if self.admin_site.holds(request, "packages.upload_package"):
            steps.append(("upload", "Upload a version", reverse("admin:packages_package_add")))
        if self.admin_site.holds(request, "processes.add_process"):
            query = f"?folder={package.folder_id}&package={package.pk}"
            steps.append(("account_tree", "Make a process", reverse("admin:processes_process_add") + query))
        return steps


def _versions(package: Package) -> Table:
    alive: Any = package.versions.filter(deleted_at=None)
    shown = alive.select_related("package").newest_first()[:VERSIONS_SHOWN]
    rows = [
        [
            display.link(one, one.version),
            versions.state(one),
            versions.size(one),
            display.moment(one.created_at),
            one.uploaded_by,
        ]
        for one in shown
    ]
    more = (display.list_of(PackageVersion, package__id__exact=package.pk), "All versions")
    headings = ["Version", "Status", "Size", "Uploaded", "By"]
    return Table("Versions", headings, rows, "No version is left: upload one.", more, "history")
