"""Pages of firings: what became of each due time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.paginator import InfinitePaginator

from apps.core.actors import Actor
from apps.core.admin import display
from apps.core.admin.base import SimpleListFilter
from apps.core.admin.filters import RelatedFilter, WindowFilter, choice
from apps.core.admin.pages import Chips, OperatorAdmin
from apps.core.admin.panels import AnyPanel, Facts, Page, Table, Text
from apps.jobs.admin import states as job_states
from apps.jobs.models import Job
from apps.triggers.admin import states
from apps.triggers.models import Firing, FiringStatus, Trigger
from apps.triggers.rules.demand import HAND_OUT

#: So many of the jobs of one firing are listed.
JOBS_SHOWN = 50
#: Codes of reasons, in the words of a filter.
CODES = {
    "misfire": "missed",
    "paused": "paused",
    "skip_next": "skipped by hand",
    "calendar": "calendar",
    "overlap": "overlap",
    "limit": "limit",
    "queued": "waits its turn",
    "broken": "broken",
}


class CodeFilter(SimpleListFilter):
    """Narrows by why a time did not fire."""

    title = "reason"
    parameter_name = "code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(code, words.capitalize()) for code, words in CODES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(code=self.value()) if self.value() in CODES else queryset


class HandFilter(SimpleListFilter):
    """Narrows to what somebody fired by hand, or to the rest."""

    title = "fired"
    parameter_name = "by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("hand", "By hand"), ("itself", "By itself")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "hand":
                return queryset.exclude(by_hand="")
            case "itself":
                return queryset.filter(by_hand="")
        return queryset


@display.column("Due")
def due(firing: Firing) -> SafeString | str:
    """Say when it was due; its tooltip says so exactly."""
    return display.moment(firing.due_at)


@display.column("What became of it")
def outcome(firing: Firing) -> SafeString:
    """Say what became of it."""
    return states.coded(firing)


@display.column("Why")
def why(firing: Firing) -> SafeString | str:
    """Say why it did not fire, or who fired it, in short."""
    text = firing.reason or (f"Fired by {firing.by_hand}." if firing.by_hand else "")
    return format_html('<span title="{}">{}</span>', text, states.brief(text)) if text else display.NOTHING


@display.column("Jobs")
def jobs_made(firing: Firing) -> str:
    """Say how many jobs it made."""
    return str(firing.jobs_made) if firing.jobs_made else display.NOTHING


@admin.register(Firing)
class FiringAdmin(OperatorAdmin):
    """What became of each time at which a trigger was due. The engine writes them; nobody changes them."""

    list_display = [
        due,
        display.linked("trigger", "Trigger"),
        outcome,
        why,
        jobs_made,
        display.linked("folder", "Folder"),
    ]
    list_filter = [
        WindowFilter,
        choice("status"),
        CodeFilter,
        HandFilter,
        ("trigger", RelatedFilter),
        ("folder", RelatedFilter),
        ("tenant", RelatedFilter),
    ]
    list_select_related = ["trigger", "folder"]
    linked_rows = ["trigger", "folder"]
    ordering = ["-id"]
    sortable_by = ()
    paginator = InfinitePaginator
    view_permission = "triggers.view_trigger"
    empty_title = "No trigger was due in this time"
    empty_text = "Each due time of a trigger leaves a row here: fired, skipped or failed, with the reason."
    empty_icon = "alarm"

    def quick_filters(self, request: HttpRequest) -> Chips:
        statuses = [("", "All"), *((one.value, one.label) for one in FiringStatus)]
        windows = [(name, title) for name, title, _ in WindowFilter.windows]
        return [
            display.chips(request, "status__exact", statuses),
            display.chips(request, "since", windows, default=WindowFilter.default),
        ]

    def title_of(self, row: Firing) -> str:
        return f"{row.trigger} at {display.exactly(row.due_at)}"

    def page(self, request: HttpRequest, row: Firing) -> Page:
        link = self.links(request)
        facts = [
            ("Trigger", link(row.trigger)),
            ("Due", display.exactly(row.due_at)),
            ("Decided", display.exactly(row.decided_at)),
            ("Late by", display.length(max((row.decided_at - row.due_at).total_seconds(), 0))),
            ("Fired by", row.by_hand or "itself"),
            ("Folder", link(row.folder)),
            ("Id", row.pk),
        ]
        main: list[AnyPanel] = [_jobs(row, self.actor(request))]
        if row.facts:
            main.append(numbers(row.facts))
        return Page(
            badges=[states.coded(row)], lead=row.reason, main=main, side=[Facts("About it", facts, icon="alarm")]
        )


def jobs_of(firings: Iterable[Firing], actor: Actor) -> dict[UUID, list[Job]]:
    """Return some of the jobs that each firing made, as far as the reader may see them, by one question."""
    keys = [firing.pk for firing in firings if firing.jobs_made]
    found: dict[UUID, list[Job]] = {}
    for job in Job.objects.visible_to(actor).filter(firing_id__in=keys).order_by("pk")[:500] if keys else ():
        if job.firing_id is not None:
            found.setdefault(job.firing_id, []).append(job)
    return found


def list_of(trigger: Trigger, **query: Any) -> str:
    """Return the address of the firings of one trigger."""
    return display.list_of(Firing, trigger__id__exact=trigger.pk, **query)


def numbers(facts: Mapping[str, Any]) -> AnyPanel:
    """Return the formula and the numbers that a queue trigger decided by; anything else as it stands."""
    level, wishes = facts.get("level"), facts.get("configuration")
    if not isinstance(level, Mapping) or not isinstance(wishes, Mapping):
        return Text.of_json("The numbers it was decided by", facts, icon="calculate")
    return formula(level, wishes, str(facts.get("because", "")), facts.get("start", 0))


def formula(level: Mapping[str, Any], wishes: Mapping[str, Any], because: str, start: Any) -> Facts:
    """Return how many jobs are wanted, and why, with every number that counts."""
    seconds = level.get("seconds_per_item")
    rows: list[tuple[str, Any]] = [
        ("Formula", because),
        ("To start", start),
        ("Waiting items", level.get("waiting")),
        ("In the hands of its jobs", level.get("in_progress")),
        ("Its unfinished jobs", level.get("live")),
        ("Oldest waits for", display.length(level.get("oldest"))),
        ("Until the next deadline", display.length(level.get("time_left"))),
        ("Time per item", display.length(seconds) if seconds else "not known yet"),
        ("Items for each job", wishes.get("batch_size" if wishes.get("mode") == HAND_OUT else "items_per_job")),
        ("Jobs", f"{wishes.get('least')} to {wishes.get('most')}"),
    ]
    return Facts("The numbers it is decided by", rows, icon="calculate")


def _jobs(firing: Firing, actor: Actor) -> Table:
    jobs = Job.objects.visible_to(actor).filter(firing_id=firing.pk).select_related("process").order_by("pk")
    rows = [
        [display.link(job, display.short(job.pk)), job.process.name, job_states.job_status(job), job_states.took(job)]
        for job in jobs[:JOBS_SHOWN]
    ]
    empty = "It made no job that you may see."
    return Table("Its jobs", ["Job", "Process", "Status", "Took"], rows, empty, icon="play_circle")
