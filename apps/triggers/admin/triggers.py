"""Pages of triggers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern

from apps.core.actors import Actor
from apps.core.admin import bins, display
from apps.core.admin.filters import RelatedFilter, choice
from apps.core.admin.forms import OperatorForm, ReasonForm
from apps.core.admin.operations import Creation, Operation
from apps.core.admin.pages import Chips, OperatorAdmin, as_id
from apps.core.admin.panels import Page
from apps.jobs.models import Job
from apps.processes.models import Process
from apps.triggers import services
from apps.triggers.admin import states, trigger_answers, trigger_pages
from apps.triggers.admin.trigger_filters import StateFilter
from apps.triggers.admin.trigger_forms import (
    FireForm,
    NewTriggerForm,
    ProcessOfTriggerForm,
    TriggerForm,
    initial_of,
    runnable,
)
from apps.triggers.models import Firing, Trigger, TriggerKind

#: So many processes are offered to make a trigger of; more are found by name.
MOST_OFFERED = 50


def _make(actor: Actor, asked: dict[str, Any]) -> tuple[Trigger, None]:
    return services.create_trigger(asked.pop("folder"), actor=actor, **asked), None


def _change(trigger: Trigger, *, actor: Actor, **asked: Any) -> Trigger:
    return services.update_trigger(trigger, actor=actor, **asked)


def _fire(trigger: Trigger, *, actor: Actor, parameters: Mapping[str, Any]) -> Job:
    """Fire it, and return the job that was made."""
    firing = services.fire_trigger(trigger, actor=actor, parameters=parameters)
    return Job.objects.get(firing_id=firing.pk)


def _skip(trigger: Trigger, *, actor: Actor) -> Trigger:
    return services.skip_next_time(trigger, actor=actor)


def _skip_not(trigger: Trigger, *, actor: Actor) -> Trigger:
    return services.skip_next_time(trigger, actor=actor, skip=False)


OPERATIONS = (
    Operation(
        name="fire",
        title="Fire now",
        permission="triggers.fire_trigger",
        service=_fire,
        explain="Makes one job now, whatever its schedule, calendar and overlap say, also while it is switched off. "
        "Only a brake holds it. Changed parameters are for this one job.",
        form=FireForm,
        icon="play_arrow",
        tone="main",
        done="It fired: the job is in line.",
        then=lambda trigger, job: job,
        is_main=True,
    ),
    Operation(
        name="edit",
        title="Edit",
        permission="triggers.change_trigger",
        service=_change,
        explain="Jobs it has made stay as they are. Where its times change, it is next due at the first new one.",
        form=TriggerForm,
        initial=initial_of,
        icon="edit",
        button="Save",
        done="The trigger is changed.",
        is_main=True,
        template="triggers/edit.html",
    ),
    Operation(
        name="disable",
        title="Switch off",
        permission="triggers.enable_trigger",
        service=services.disable_trigger,
        explain="It makes no more jobs until it is switched on. Times that pass meanwhile are not made up for.",
        form=ReasonForm,
        icon="alarm_off",
        done="The trigger is off.",
        applies=lambda trigger: trigger.enabled,
        is_bulk=True,
        is_main=True,
    ),
    Operation(
        name="enable",
        title="Switch on",
        permission="triggers.enable_trigger",
        service=services.enable_trigger,
        explain="It is due at its next time from now on; failures count from none.",
        icon="alarm_on",
        done="The trigger is on.",
        applies=lambda trigger: not trigger.enabled,
        is_bulk=True,
        is_main=True,
    ),
    Operation(
        name="skip",
        title="Skip next",
        permission="triggers.enable_trigger",
        service=_skip,
        explain=lambda trigger: (
            f"It lets one time pass: {display.exactly(trigger.next_fire_at)}. That time is kept as skipped."
            if trigger.kind == TriggerKind.TIME and trigger.next_fire_at is not None
            else "The next time at which it would start jobs, it starts none."
        ),
        icon="skip_next",
        done="It skips one time.",
        applies=lambda trigger: trigger.is_due and not trigger.skip_next,
    ),
    Operation(
        name="unskip",
        title="Skip nothing",
        permission="triggers.enable_trigger",
        service=_skip_not,
        explain="It fires at its next time after all.",
        icon="undo",
        done="It skips nothing.",
        applies=lambda trigger: trigger.skip_next,
    ),
    Operation(
        name="process",
        title="Change process",
        permission="triggers.change_trigger",
        service=_change,
        explain="From its next time on it makes jobs of another process, with the parameters that you give here.",
        form=ProcessOfTriggerForm,
        initial=lambda trigger: {"process": trigger.process_id, "parameters": trigger.parameters},
        icon="account_tree",
        done="It makes jobs of the process from now on.",
    ),
    Operation(
        name="delete",
        title="Delete",
        permission="triggers.delete_trigger",
        service=services.delete_trigger,
        explain="It goes out of every list. The jobs it made stay, and go on.",
        icon="delete",
        tone="danger",
        done="The trigger is deleted.",
        ends_row=True,
    ),
    bins.restoration(
        "triggers.delete_trigger",
        services.restore_trigger,
        "It comes back switched off, so that nothing fires by surprise.",
    ),
)
LIVE = tuple(display.refreshing(one) for one in (states.state, states.next_time, states.last, states.failures))


@admin.register(Trigger)
class TriggerAdmin(OperatorAdmin):
    """Rules that create jobs by themselves."""

    list_display = [
        "name",
        LIVE[0],
        display.column("Kind")(lambda trigger: trigger.get_kind_display()),
        states.rule,
        display.linked("process", "Process"),
        *LIVE[1:],
        display.linked("folder", "Folder"),
    ]
    list_filter = [
        StateFilter,
        choice("kind"),
        ("process", RelatedFilter),
        ("calendar", RelatedFilter),
        ("folder", RelatedFilter),
        ("tenant", RelatedFilter),
    ]
    list_select_related = [
        "process", "folder", "tenant", "queue", "calendar", "target_robot", "target_machine",
    ]  # fmt: skip
    linked_rows = ["process", "folder"]
    search_fields = ["name", "description", "process__name"]
    ordering = ["name"]
    live_columns = LIVE
    empty_title = "No triggers yet"
    empty_text = "A trigger makes jobs of a process by itself: at times of day, again and again, or as a queue needs."
    empty_icon = "alarm"
    creation = Creation(
        title="Add a trigger",
        permission="triggers.add_trigger",
        form=NewTriggerForm,
        make=_make,
        icon="alarm_add",
        template="triggers/creation.html",
    )
    operations = OPERATIONS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Add what became of the last time and how the newest job is, each read from the newest end of an index."""
        newest = Firing.objects.filter(trigger=OuterRef("pk")).order_by("-pk")
        told = {"last_status": "status", "last_code": "code", "last_reason": "reason", "last_at": "due_at"}
        last = {name: Subquery(newest.values(column)[:1]) for name, column in told.items()}
        jobs = Job.objects.visible_to(self.actor(request)).filter(trigger_id=OuterRef("pk")).order_by("-pk")
        rows: QuerySet[Any] = (
            super().get_queryset(request).annotate(**last, last_job=Subquery(jobs.values("status")[:1]))
        )
        return rows

    def quick_filters(self, request: HttpRequest) -> Chips:
        found = StateFilter(request, {}, Trigger, self).lookups(request, self)
        return [display.chips(request, "state", [("", "All"), *found])]

    def own_urls(self) -> list[URLPattern]:
        return [
            self.url("preview/", "preview", partial(self.form_view, answer=trigger_answers.preview)),
            self.url("simulate/", "simulate_form", partial(self.form_view, answer=trigger_answers.simulation)),
            self.url("<uuid:object_id>/simulate/", "simulate", self.simulate_view),
        ]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask first what it shall run and by what it is due: they decide what else there is to ask."""
        if not self.has_add_permission(request):
            return super().add_view(request, form_url, extra_context)
        trigger = self._wanted(request)
        if trigger is None:
            return self._ask_what_for(request)
        request.trigger = trigger  # type: ignore[attr-defined]
        if trigger_answers.PREVIEW not in request.POST:
            return super().add_view(request, form_url, extra_context)
        form = self._form(request, NewTriggerForm)
        return self.render(request, self.creation.template, **trigger_answers.previewed(form), creation=self.creation)

    def operation_view(self, request: HttpRequest, object_id: UUID, *, operation: Operation) -> HttpResponseBase:
        """Show a preview in place of saving, where that is what was asked."""
        if operation.name != "edit" or trigger_answers.PREVIEW not in request.POST:
            return super().operation_view(request, object_id, operation=operation)
        row = self.row_or_404(request, object_id)
        self.require(request, operation.permission, row)
        context = trigger_answers.previewed(self._form(request, TriggerForm, row=row))
        return self.render(
            request, operation.template, row, **context, operation=operation, explanation=operation.explanation(row)
        )

    def form_view(self, request: HttpRequest, *, answer: Callable[[TriggerForm], dict[str, Any]]) -> HttpResponse:
        """Answer what a form that is being filled in means, as a part of its page. It changes nothing."""
        form: Any = self._form_of(request)
        return TemplateResponse(request, f"triggers/{answer.__name__}.html", answer(form))

    def _form_of(self, request: HttpRequest) -> OperatorForm:
        """Return the form that was sent: of a trigger that is there, or of one that is to be."""
        if "trigger" in request.GET:
            row = self.row_or_404(request, as_id(request.GET["trigger"]))
            return self._form(request, TriggerForm, row=row)
        request.trigger = self._wanted(request)  # type: ignore[attr-defined]
        if request.trigger is None:  # type: ignore[attr-defined]
            raise Http404
        return self._form(request, NewTriggerForm)

    def simulate_view(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        """Show what a trigger would have done in the last day."""
        row = self.row_or_404(request, object_id)
        panels = trigger_answers.simulated(row)
        context = {**self.page_context(request, row, Page(main=panels)), "title": "The last 24 hours"}
        return self.render(request, self.row_template, row, **context)

    def _wanted(self, request: HttpRequest) -> Trigger | None:
        """Return the trigger that is to be, as far as it was chosen; ``None`` where not far enough."""
        process, kind = self._chosen_process(request), request.GET.get("kind", "")
        if process is None or kind not in TriggerKind.values:
            return None
        return Trigger(kind=kind, process=process, folder_id=process.folder_id, tenant_id=process.tenant_id)

    def _chosen_process(self, request: HttpRequest) -> Process | None:
        try:
            wanted = UUID(request.GET.get("process", ""))
        except ValueError:
            return None
        found: Process | None = runnable(self.actor(request)).filter(pk=wanted).first()
        return found

    def _ask_what_for(self, request: HttpRequest) -> HttpResponse:
        wanted = request.GET.get("q", "").strip()
        rows = runnable(self.actor(request)).select_related("folder")
        found = list((rows.filter(name__icontains=wanted) if wanted else rows)[: MOST_OFFERED + 1])
        context = {
            "processes": found[:MOST_OFFERED],
            "has_more": len(found) > MOST_OFFERED,
            "wanted": wanted,
            "chosen": self._chosen_process(request),
            "creation": self.creation,
            "title": "Add a trigger",
        }
        return self.render(request, "triggers/choose.html", **context)

    def _form(self, request: HttpRequest, form: type[OperatorForm], **about: Any) -> OperatorForm:
        return super()._form(request, form, place=getattr(request, "trigger", None), **about)

    def may_change(self, row: Trigger) -> bool:
        return row.is_due

    def is_live(self, row: Trigger) -> bool:
        return row.is_due

    def page(self, request: HttpRequest, row: Trigger) -> Page:
        actor, link = self.actor(request), self.links(request)
        return Page(
            badges=[states.badge_of(row)],
            lead=row.description,
            notices=trigger_pages.notices(row),
            steps=[("science", "Last 24 hours", self.address(row, "simulate"))] if row.deleted_at is None else [],
            main=[
                trigger_pages.next_panel(row),
                trigger_pages.firings_panel(row, actor),
                trigger_pages.parameters_panel(row),
            ],
            side=[trigger_pages.schedule_panel(row, link), trigger_pages.about_panel(row, link)],
        )
