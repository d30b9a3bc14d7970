"""The pages of a model: its list, the page of a row, and a form for everything that can be done."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import messages
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from apps.core.admin import bins, display, refusals
from apps.core.admin.access import GuardedAdmin
from apps.core.admin.forms import OperatorForm
from apps.core.admin.operations import Creation, Operation, Secret, Tally, for_each
from apps.core.admin.panels import Page
from apps.core.errors import DomainError, NotFound

#: An action on ticked rows handles at most so many within one request.
MOST_AT_ONCE = 500
#: So many refusals are told one by one.
MOST_TOLD = 10
#: Stands in a page for the version that is known only once the page is made.
UNKNOWN_VERSION = "version-not-known"

Chips = Sequence[Sequence["display.Chip"]]


class OperatorAdmin(GuardedAdmin):
    """The pages of a model. What changes a row is an operation, and what makes one the creation: each calls a service.

    ``page`` returns what the page of a row shows.
    """

    operations: ClassVar[Sequence[Operation]] = ()
    creation: ClassVar[Creation | None] = None
    #: What the list says while it is empty: a headline, and what to do next.
    empty_title: ClassVar[str] = "Nothing here yet"
    empty_text: ClassVar[str] = ""
    empty_icon: ClassVar[str] = "inbox"
    row_template: ClassVar[str] = "operator/page.html"
    #: Columns that the list brings up to date by itself, made by ``display.refreshing``.
    live_columns: ClassVar[Sequence[Any]] = ()
    list_before_template = "operator/quick_filters.html"
    list_after_template = "operator/live_rows.html"

    # ------------------------------------------------------------------------------------------------------------ pages

    def page(self, request: HttpRequest, row: Any) -> Page:
        """Return what the page of a row shows."""
        raise NotImplementedError

    def title_of(self, row: Any) -> str:
        """Return what the page of a row is called."""
        return str(row)

    def quick_filters(self, request: HttpRequest) -> Chips:
        """Return groups of links above the list that narrow it by one press."""
        return ()

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        for ticked in request.POST.getlist("_selected_action"):
            as_id(ticked)
        context = {**(extra_context or {}), "quick_filters": self.quick_filters(request), "opts": self.opts}
        response = super().changelist_view(request, context)
        shown = (response.context_data or {}) if isinstance(response, TemplateResponse) else {}
        if "cl" in shown:
            self.prepare(shown["cl"].result_list)
        if self.live_columns and "cl" in shown:
            shown["rows_address"] = self._rows_address(shown["cl"].result_list)
        return response

    def prepare(self, rows: Sequence[Any]) -> None:
        """Add to the rows of a page of the list what its columns show beside what was read with them."""

    def may_change(self, row: Any) -> bool:
        """Say whether the list has to ask about a row again."""
        return True

    def rows_view(self, request: HttpRequest) -> HttpResponse:
        """Answer the columns of a list that change by themselves, for the rows it shows."""
        asked = [as_id(text) for text in request.GET.get("rows", "").split(",")[: self.list_per_page] if text]
        rows = list(self.get_queryset(request).filter(pk__in=asked))
        self.prepare(rows)
        cells = [column.answer(row) for row in rows for column in self.live_columns]
        context = {"cells": cells, "rows_address": self._rows_address(rows)}
        return HttpResponse(render_to_string("operator/live_rows.html", context, request))

    def _rows_address(self, rows: Sequence[Any]) -> str:
        changing = ",".join(str(row.pk) for row in rows if self.may_change(row))
        return f"{self.list_address()}rows/?rows={changing}" if changing else ""

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the page of a row."""
        row = self.row_or_404(request, as_id(object_id))
        return self.render(request, self.row_template, row, **self.page_context(request, row, self.page(request, row)))

    def is_live(self, row: Any) -> bool:
        """Say whether the page of a row refreshes by itself, as it is now."""
        return False

    def live_view(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        """Answer the part of a row's page that refreshes, or nothing (204) while the reader has it as it is."""
        row = self.row_or_404(request, object_id)
        context = self.page_context(request, row, self.page(request, row))
        whole = {"opts": self.opts, "row": row, "row_title": self.title_of(row), "is_answer": True, **context}
        text = render_to_string("operator/parts/live_answer.html", whole, request)
        version = hashlib.sha256(text.encode()).hexdigest()[:16]
        if request.GET.get("v") == version:
            return HttpResponse(status=HTTPStatus.NO_CONTENT)
        return HttpResponse(text.replace(UNKNOWN_VERSION, version))

    def page_context(self, request: HttpRequest, row: Any, page: Page) -> dict[str, Any]:
        """Return what the template of a row's page is given."""
        possible = self.possible_operations(request, row)
        rare = [one for one in possible if not one.is_main]
        return {
            "page": page,
            "bin_notice": bins.notice(row),
            "operations": [one for one in possible if one.is_main],
            "more_operations": sorted(rare, key=lambda one: one.tone == "danger"),
            "history_url": self.history_address(request, row),
            "explain_url": self.admin_site.explain_address(request, row),
            "live_url": f"{self.address(row, 'live')}?v={UNKNOWN_VERSION}" if self.is_live(row) else "",
        }

    def render(self, request: HttpRequest, template: str, row: Any = None, **context: Any) -> TemplateResponse:
        """Return one of our own pages, with all that every page of the site has."""
        row_title = self.title_of(row) if row is not None else ""
        whole = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "model_admin": self,
            "row": row,
            "row_title": row_title,
            "title": row_title or str(self.opts.verbose_name_plural).capitalize(),
            **context,
        }
        return TemplateResponse(request, template, whole)

    def address(self, row: Any, name: str = "change") -> str:
        """Return the address of one of a row's pages."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{name}", args=[row.pk])

    def list_address(self) -> str:
        """Return the address of the list."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def history_address(self, request: HttpRequest, row: Any) -> str:
        """Return where the audit trail of a row is read; empty for whoever may not read it."""
        if not self.admin_site.holds(request, "audit.view_auditentry"):
            return ""
        return f"{reverse('admin:audit_auditentry_changelist')}?target={row.pk}&since=all"

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Send on to the audit trail, which is the one history."""
        row = self.row_or_404(request, as_id(object_id))
        return HttpResponseRedirect(self.history_address(request, row) or self.address(row))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Say that there is no such page: where rows can go, an operation of that name stands in its place."""
        raise Http404

    def get_urls(self) -> list[URLPattern]:
        operations = [
            self.url(f"<uuid:object_id>/{one.name}/", one.name, partial(self.operation_view, operation=one))
            for one in self.operations
        ]
        live = [
            self.url("<uuid:object_id>/live/", "live", self.live_view),
            self.url("rows/", "rows", self.rows_view),
        ]
        return [*operations, *live, *self.own_urls(), *super().get_urls()]

    def own_urls(self) -> list[URLPattern]:
        """Return the addresses that only this model has (see ``url``)."""
        return []

    def url(self, route: str, name: str, view: Callable[..., HttpResponseBase]) -> URLPattern:
        """Return an address of this model's, for the signed-in only."""
        wrapped = self.admin_site.admin_view(view)
        address: URLPattern = path(route, wrapped, name=f"{self.opts.app_label}_{self.opts.model_name}_{name}")
        return address

    # ----------------------------------------------------------------------------------------------------- making a row

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.creation is not None and self.admin_site.holds(request, self.creation.permission)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for what a new row needs, and have it made."""
        if self.creation is None:
            raise Http404
        if not self.has_add_permission(request):
            raise self.not_allowed(request, self.creation.permission)
        if self.creation.is_sensitive and not self.actor(request).is_fresh:
            return refusals.confirmation(request)
        form = self._form(request, self.creation.form)
        if request.method == "POST" and form.is_valid():
            try:
                row, secret = self.creation.make(self.actor(request), form.cleaned_data)
            except DomainError as refusal:
                refusals.note(refusal)
                form.refuse(refusal)
            else:
                return self._after_making(request, row, secret)
        context = {"creation": self.creation, "form": form, "media": form.media, "title": self.creation.title}
        return self.render(request, self.creation.template, **context)

    def _after_making(self, request: HttpRequest, row: Any, secret: Secret | None) -> HttpResponse:
        if secret is not None:
            return self.reveal(request, row, secret)
        self.message_user(request, f"{str(row._meta.verbose_name).capitalize()} “{row}” is made.", messages.SUCCESS)
        otherwise = self.list_address() if self.has_view_permission(request) else reverse("admin:index")
        return HttpResponseRedirect(self._way_on(request, row, otherwise))

    def _way_on(self, request: HttpRequest, row: Model, otherwise: str) -> str:
        """Return the page of a row that was made, or another address where one may make such rows but not see them."""
        pages: Any = self.admin_site._registry[type(row)]
        return display.page_of(row) if pages.visible(request).filter(pk=row.pk).exists() else otherwise

    # ------------------------------------------------------------------------------------------------ doing it to a row

    def possible_operations(self, request: HttpRequest, row: Any) -> list[Operation]:
        """Return the operations that make sense for a row as it is and that the person may do to it."""
        is_deleted = getattr(row, "deleted_at", None) is not None
        if is_deleted and not getattr(row, "is_in_bin", False):
            return []
        sensible = [one for one in self.operations if one.is_for_bin == is_deleted and one.applies(row)]
        may = {one: self.allows(request, one, row) for one in {operation.permission for operation in sensible}}
        return [operation for operation in sensible if may[operation.permission]]

    def operation_view(self, request: HttpRequest, object_id: UUID, *, operation: Operation) -> HttpResponseBase:
        """Ask for what an operation needs, and do it."""
        row = self.row_or_404(request, object_id)
        self.require(request, operation.permission, row)
        if operation.is_sensitive and not self.actor(request).is_fresh:
            return refusals.confirmation(request)
        form = self._form(request, operation.form, row=row, initial=dict(operation.initial(row)))
        if request.method == "POST" and form.is_valid():
            try:
                result = operation.perform(row, actor=self.actor(request), asked=form.cleaned_data)
            except DomainError as refusal:
                refusals.note(refusal)
                form.refuse(refusal)
                # What the service has changed in the object before it refused is not in the database.
                row = self.row_or_404(request, object_id)
            else:
                return self.after(request, operation, row, result)
        context = {"operation": operation, "explanation": operation.explanation(row), "form": form, "media": form.media}
        return self.render(request, operation.template, row, title=operation.title, **context, **operation.context(row))

    def after(self, request: HttpRequest, operation: Operation, row: Any, result: Any) -> HttpResponseBase:
        """Answer an operation that was done: by a secret, by the row it made, or by the row's page."""
        outcome = operation.then(row, result)
        if isinstance(outcome, Secret):
            return self.reveal(request, row, outcome)
        self.message_user(request, operation.done, messages.SUCCESS)
        if isinstance(outcome, Model):
            return HttpResponseRedirect(self._way_on(request, outcome, self.address(row)))
        return HttpResponseRedirect(self.list_address() if operation.ends_row else self.address(row))

    def reveal(self, request: HttpRequest, row: Any, secret: Secret) -> HttpResponse:
        """Show a secret in the answer to the request that made it. It is kept nowhere, so no other page can."""
        response = self.render(request, "operator/secret.html", row, secret=secret, title=secret.what)
        response["Cache-Control"] = "no-store"
        return response

    def _form(self, request: HttpRequest, form: type[OperatorForm], **about: Any) -> OperatorForm:
        given = (request.POST, request.FILES) if request.method == "POST" else ()
        return form(*given, actor=self.actor(request), **about)

    # -------------------------------------------------------------------------------------------- ticked rows of a list

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the operations that can be done to several rows. Django's own deletion is none of them."""
        return {
            operation.name: (partial(_do_to_ticked, operation=operation), operation.name, operation.title)
            for operation in self.operations
            if operation.is_bulk and self.admin_site.holds(request, operation.permission)
        }

    def do_to_ticked(self, request: HttpRequest, rows: QuerySet[Any], operation: Operation) -> HttpResponseBase | None:
        """Ask once for what an operation needs, then do it to each ticked row and say what came of it."""
        if operation.is_sensitive and not self.actor(request).is_fresh:
            return refusals.confirmation(request)
        chosen = list(rows.filter(pk__in=request.POST.getlist("_selected_action")[:MOST_AT_ONCE]))
        is_confirmed = "confirmed" in request.POST
        form = operation.form(request.POST if is_confirmed else None, actor=self.actor(request))
        if is_confirmed and form.is_valid():
            if operation.service_for_many is not None:
                return self._do_to_many(request, operation, chosen, form)
            tally = for_each(operation, chosen, actor=self.actor(request), asked=form.cleaned_data)
            self._tell(request, operation, tally)
            return None
        return self._ask_for_ticked(request, operation, chosen, form)

    def _do_to_many(
        self, request: HttpRequest, operation: Operation, chosen: list[Any], form: OperatorForm
    ) -> HttpResponseBase | None:
        """Do it to all in one transaction: all of it or none."""
        service: Any = operation.service_for_many
        many = self.model._default_manager.filter(pk__in=[row.pk for row in chosen])
        try:
            done = len(service(many, actor=self.actor(request), **form.cleaned_data))
        except DomainError as refusal:
            refusals.note(refusal)
            form.refuse(refusal)
            return self._ask_for_ticked(request, operation, chosen, form)
        level = messages.SUCCESS if done == len(chosen) else messages.WARNING
        left = "" if done == len(chosen) else " The others you may not change, or they are gone."
        self.message_user(request, f"{operation.title}: {done} of {len(chosen)} done.{left}", level)
        return None

    def _ask_for_ticked(
        self, request: HttpRequest, operation: Operation, chosen: list[Any], form: OperatorForm
    ) -> HttpResponseBase:
        context = {
            "operation": operation,
            "rows": chosen,
            "names": [self.title_of(row) for row in chosen[:MOST_TOLD]],
            "form": form,
            "media": form.media,
            "title": f"{operation.title}: {len(chosen)} chosen",
        }
        return self.render(request, "operator/bulk.html", **context)

    def _tell(self, request: HttpRequest, operation: Operation, tally: Tally) -> None:
        for _, refusal in tally.refused:
            refusals.note(refusal)
        for row, refusal in tally.refused[:MOST_TOLD]:
            self.message_user(request, f"{self.title_of(row)}: {refusal}", messages.WARNING)
        if len(tally.refused) > MOST_TOLD:
            self.message_user(request, f"And {len(tally.refused) - MOST_TOLD} more were refused.", messages.WARNING)
        level = messages.SUCCESS if tally.done else messages.ERROR
        count = tally.done + len(tally.refused)
        self.message_user(request, f"{operation.title}: {tally.done} of {count} done.", level)


def _do_to_ticked(
    admin: OperatorAdmin, request: HttpRequest, rows: QuerySet[Any], *, operation: Operation
) -> HttpResponseBase | None:
    return admin.do_to_ticked(request, rows, operation)


def as_id(text: str) -> UUID:
    """Return the id that a text is. Raises ``NotFound``."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("This is no id: ids here are UUIDs.") from None
