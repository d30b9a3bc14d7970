"""Adding items from a table: the file, the report on each of its rows, and the word to add them."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

import tablib
from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from import_export.formats.base_formats import CSV, XLSX

from apps.core.admin import refusals
from apps.core.admin.forms import FileInput, OperatorForm
from apps.core.admin.pages import OperatorAdmin
from apps.core.errors import DomainError
from apps.queues import services
from apps.queues.models import ItemUpload, Queue
from apps.queues.rules import tables

_PERMISSION = "queues.add_queueitem"


class TableForm(OperatorForm):
    """Asks for a table of items."""

    file = forms.FileField(
        label="Table",
        widget=FileInput(accept=".csv,.xlsx"),
        help_text=f"CSV (UTF-8; comma, semicolon or tab) or XLSX, at most {tables.MOST_ROWS:,} rows and "
        f"{tables.LARGEST_FILE // tables.MIB} MiB. The first row names the columns.",
    )


class AddForm(OperatorForm):
    """Asks whether the rows shall be added once more, where the same contents were added before."""

    again = forms.BooleanField(required=False, label="Add its rows once more")


class UploadPages(OperatorAdmin):
    """The pages of a queue that take a table of items. Nothing is added before the report on it was seen."""

    templates: ClassVar[dict[str, Any]] = {"csv": CSV, "xlsx": XLSX}

    def own_urls(self) -> list[URLPattern]:
        return [
            self.url("<uuid:object_id>/upload/", "upload", self.upload_view),
            self.url("<uuid:object_id>/upload/template.<slug:kind>", "upload_template", self.template_view),
            self.url("<uuid:object_id>/upload/<uuid:upload_id>/", "upload_report", self.report_view),
            *super().own_urls(),
        ]

    def upload_view(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        """Take a table and read it; what is wrong with the file as a whole is said at once."""
        queue = self._open_queue(request, object_id)
        form = self._form(request, TableForm, row=queue)
        if request.method == "POST" and form.is_valid():
            file = form.cleaned_data["file"]
            try:
                upload = services.check_upload(
                    queue, actor=self.actor(request), name=file.name, content=file.read(tables.LARGEST_FILE + 1)
                )
            except DomainError as refusal:
                refusals.note(refusal)
                form.refuse(refusal)
            else:
                return HttpResponseRedirect(self._report_address(upload))
        context = {
            "form": form,
            "media": form.media,
            "columns": services.known_columns(queue),
            "template_addresses": {kind: self._template_address(queue, kind) for kind in self.templates},
        }
        return self.render(request, "queues/upload.html", queue, title="Upload a table of items", **context)

    def report_view(self, request: HttpRequest, object_id: UUID, upload_id: UUID) -> HttpResponse:
        """Show what would be added of a table and what is wrong with it, and add it or forget it."""
        queue = self._open_queue(request, object_id)
        upload = self._own_upload(request, queue, upload_id)
        form = self._form(request, AddForm, row=queue)
        if request.method == "POST" and form.is_valid():
            try:
                return self._decide(request, upload, again=form.cleaned_data["again"])
            except DomainError as refusal:
                refusals.note(refusal)
                form.refuse(refusal)
        context = {
            "form": form,
            "upload": upload,
            "earlier": services.added_before(upload) if upload.added_at is None else None,
            "ready": upload.total - upload.taken_count,
            "upload_address": self.address(queue, "upload"),
        }
        return self.render(request, "queues/upload_report.html", queue, title=f"Report on {upload.name}", **context)

    def template_view(self, request: HttpRequest, object_id: UUID, kind: str) -> HttpResponse:
        """Hand out an empty table with the columns of a queue."""
        queue = self._open_queue(request, object_id)
        if kind not in self.templates:
            raise Http404
        made = self.templates[kind]()
        empty = tablib.Dataset(headers=services.known_columns(queue))
        response = HttpResponse(made.export_data(empty), content_type=made.get_content_type())
        response["Content-Disposition"] = f'attachment; filename="items-template.{kind}"'
        return response

    def _decide(self, request: HttpRequest, upload: ItemUpload, *, again: bool) -> HttpResponse:
        if "discard" in request.POST:
            services.discard_upload(upload, actor=self.actor(request))
            self.message_user(request, f"{upload.name} is forgotten; nothing was added.", messages.SUCCESS)
            return HttpResponseRedirect(self.address(upload.queue, "upload"))
        added = services.add_upload(upload, actor=self.actor(request), again=again)
        self.message_user(request, f"{added.added:,} of {added.total:,} rows were added.", messages.SUCCESS)
        return HttpResponseRedirect(self._report_address(upload))

    def _open_queue(self, request: HttpRequest, object_id: UUID) -> Queue:
        queue: Queue = self.row_or_404(request, object_id)
        self.require(request, _PERMISSION, queue)
        return queue

    def _own_upload(self, request: HttpRequest, queue: Queue, upload_id: UUID) -> ItemUpload:
        own = ItemUpload.objects.visible_to(self.actor(request)).filter(queue=queue).select_related("queue__schema")
        upload: ItemUpload | None = own.filter(pk=upload_id).first()
        if upload is None:
            raise Http404
        return upload

    def _report_address(self, upload: ItemUpload) -> str:
        return reverse("admin:queues_queue_upload_report", args=[upload.queue_id, upload.pk])

    def _template_address(self, queue: Queue, kind: str) -> str:
        return reverse("admin:queues_queue_upload_template", args=[queue.pk, kind])
