"""Making one job of chosen items: which ones, of which process, with which parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import F, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse

from apps.core.actors import Actor
from apps.core.admin import display, refusals
from apps.core.admin.forms import OperatorForm
from apps.core.errors import DomainError
from apps.jobs import services
from apps.jobs.admin.running import RunForm
from apps.jobs.models import Job
from apps.processes.models import Process
from apps.queues.models import MOST_OWNED, ItemStatus, QueueItem
from apps.rbac import services as rbac

if TYPE_CHECKING:
    from apps.core.admin.pages import OperatorAdmin

#: So many items are named on the page.
MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Chosen:
    """The items that a job shall own, and how many of those that were asked for it cannot."""

    items: Sequence[QueueItem]
    left_out: int = 0

    @property
    def tenants(self) -> set[UUID]:
        """The tenants they are in."""
        return {item.tenant_id for item in self.items}

    @property
    def names(self) -> list[str]:
        """What the first of them are called."""
        first = self.items[:MOST_NAMED]
        return [f"{item} {display.short(item.pk)}" if item.reference else str(item) for item in first]


class ProcessForm(OperatorForm):
    """Asks what shall run."""

    process = forms.ModelChoiceField(Process.objects.all(), empty_label="Choose a process")

    def offer(self) -> None:
        """Offer the processes of the items' tenant that this person may run."""
        field: Any = self.fields["process"]
        runnable = rbac.visible(Process.objects.alive(), self.actor, "processes.run_process")
        field.queryset = runnable.filter(tenant_id__in=self.place, enabled=True).order_by("name")


def may_make(pages: OperatorAdmin, request: HttpRequest) -> bool:
    """Say whether the person may make jobs of items anywhere."""
    holds = pages.admin_site.holds
    return holds(request, "processes.run_process") and holds(request, "queues.take_queueitem")


def ask_for_ticked(pages: OperatorAdmin, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponseBase:
    """Ask what shall run with the items that were ticked in the list."""
    return _page(pages, request, _named(pages, request, request.POST.getlist("_selected_action")))


def view(pages: OperatorAdmin, request: HttpRequest) -> HttpResponseBase:
    """Ask for process and parameters, one after the other, and make the job.

    The items are named one by one, or they are the best that wait among those that a list showed.
    """
    if not may_make(pages, request):
        raise pages.not_allowed(request, "processes.run_process")
    named = request.POST.getlist("item") or request.GET.getlist("item")
    return _page(pages, request, _named(pages, request, named) if named else _listed(pages, request))


def _page(pages: OperatorAdmin, request: HttpRequest, chosen: Chosen) -> HttpResponseBase:
    form: OperatorForm | None = None
    if len(chosen.tenants) == 1:
        process = _process(request, pages.actor(request), chosen)
        if isinstance(process, ProcessForm):
            form = process
        else:
            form, job = _run(request, pages.actor(request), process, chosen)
            if job is not None:
                return _done(pages, request, job, len(chosen.items))
    context = {"chosen": chosen, "form": form, "media": form.media if form else "", "most": MOST_OWNED}
    address = reverse("admin:queues_queueitem_job")
    return pages.render(request, "queues/make_job.html", title="Make a job", address=address, **context)


def _process(request: HttpRequest, actor: Actor, chosen: Chosen) -> Process | ProcessForm:
    """Return the process that was chosen, or the form that asks for one."""
    asked = "process" in request.POST
    form = ProcessForm(request.POST if asked else None, actor=actor, place=chosen.tenants)
    if asked and form.is_valid():
        process: Process = form.cleaned_data["process"]
        return process
    return form


def _run(request: HttpRequest, actor: Actor, process: Process, chosen: Chosen) -> tuple[RunForm, Job | None]:
    """Return the form for the parameters, and the job where it was filled in. Raises ``NothingToRun``."""
    form = RunForm(request.POST if "confirmed" in request.POST else None, actor=actor, row=process)
    if not form.is_valid():
        return form, None
    wanted = replace(form.cleaned_data["wanted"], queue_items=[item.pk for item in chosen.items])
    try:
        return form, services.create_job(process, actor=actor, wanted=wanted, source="manual")
    except DomainError as refusal:
        refusals.note(refusal)
        form.refuse(refusal)
        return form, None


def _done(pages: OperatorAdmin, request: HttpRequest, job: Job, count: int) -> HttpResponse:
    what = "1 item" if count == 1 else f"{count} items"
    pages.message_user(request, f"The job is in line. It owns {what}.", messages.SUCCESS)
    seen = Job.objects.visible_to(pages.actor(request)).filter(pk=job.pk).exists()
    return HttpResponseRedirect(display.page_of(job) if seen else pages.list_address())


def _named(pages: OperatorAdmin, request: HttpRequest, identities: Sequence[str]) -> Chosen:
    """Return those of the items that are named which wait for nobody yet."""
    wanted = {_as_id(text) for text in identities[:MOST_OWNED]}
    items = list(_waiting(pages.visible(request).filter(pk__in=wanted)))
    return Chosen(items, left_out=len(identities) - len(items))


def _listed(pages: OperatorAdmin, request: HttpRequest) -> Chosen:
    """Return the best that wait among those that the list of a queue with these filters shows."""
    _as_id(request.GET.get("queue__id__exact", ""))  # Over all queues the line has no index.
    try:
        shown = pages.get_changelist_instance(request).queryset
    except IncorrectLookupParameters as error:
        raise Http404 from error
    return Chosen(list(_waiting(shown)))


def _waiting(items: QuerySet[Any]) -> QuerySet[Any]:
    free = items.filter(status=ItemStatus.NEW, deleted_at=None, reserved_for=None)
    best_first = free.order_by("-priority", F("deadline").asc(nulls_last=True), "pk")
    return best_first.select_related(None).only("reference", "tenant_id")[:MOST_OWNED]


def _as_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None
