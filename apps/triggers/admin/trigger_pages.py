"""The panels of a trigger's page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.core.actors import Actor
from apps.core.admin import display
from apps.core.admin.access import Links
from apps.core.admin.panels import AnyPanel, Facts, Table, Text
from apps.core.errors import Invalid
from apps.jobs.admin import states as job_states
from apps.jobs.models import Job
from apps.triggers.admin import firings, previews, states, times
from apps.triggers.models import Firing, Trigger, TriggerKind
from apps.triggers.models.previews import preview_of_trigger
from apps.triggers.rules.previews import PreviewTime

FIRINGS_SHOWN, TIMES_SHOWN = 10, 5
#: So many jobs of one firing are named in a line; more are counted.
JOBS_IN_LINE = 3


def notices(trigger: Trigger) -> list[str]:
    """Return what somebody should know before anything else."""
    told = []
    if trigger.broken:
        told.append(f"{trigger.broken} Press “Edit” and save it right: it is tried again at once.")
    if not trigger.enabled and trigger.deleted_at is None:
        why = f" {trigger.disabled_reason}" if trigger.disabled_reason else ""
        told.append(f"It is switched off.{why} Times that pass meanwhile are not made up for.")
    if trigger.skip_next:
        told.append("The next time at which it would fire is skipped.")
    if trigger.queue is not None and trigger.queue.paused:
        told.append(f"The queue “{trigger.queue}” is paused, so it starts nothing.")
    if trigger.memory.get("feeds_itself"):
        told.append("Its own jobs add items to its queue: see whether that ever ends.")
    return told


def next_panel(trigger: Trigger) -> AnyPanel:
    """Return when it is due next, by its own clocks and the reader's; of a queue trigger, what it wants now."""
    if trigger.queue is not None:
        return previews.present_or_why_not(trigger, trigger.queue)
    empty = "It is not due any more as it is."
    return Table("Next times", times.headings(trigger.time_zone), times.rows(_times(trigger)), empty, icon="schedule")


def _times(trigger: Trigger) -> Sequence[PreviewTime]:
    if not trigger.is_due:
        return ()
    try:
        return preview_of_trigger(trigger, viewer_zone=times.viewer_zone(), count=TIMES_SHOWN).times
    except Invalid:
        return ()


def firings_panel(trigger: Trigger, actor: Actor) -> Table:
    """Return what became of its last times, with links to their jobs."""
    shown = list(Firing.objects.filter(trigger=trigger).order_by("-pk")[:FIRINGS_SHOWN])
    jobs = firings.jobs_of(shown, actor)
    rows = [
        [
            display.link(firing, display.moment(firing.due_at)),
            states.coded(firing),
            firings.why(firing),
            _jobs_in_line(firing, jobs.get(firing.pk, ())),
        ]
        for firing in shown
    ]
    more = (firings.list_of(trigger, since="all"), "All its times") if rows else None
    empty = "It was not due yet."
    return Table("Last times", ["Due", "What became of it", "Why", "Jobs"], rows, empty, more, icon="alarm_on")


def _jobs_in_line(firing: Firing, jobs: Sequence[Job]) -> SafeString | str:
    if not jobs:
        return str(firing.jobs_made) if firing.jobs_made else display.NOTHING
    each = ((display.link(job, display.short(job.pk)), job_states.job_badge(job)) for job in jobs[:JOBS_IN_LINE])
    named = format_html_join(" ", '<span class="op-nowrap">{} {}</span>', each)
    left = firing.jobs_made - min(len(jobs), JOBS_IN_LINE)
    return format_html("{} and {} more", named, left) if left > 0 else named


def parameters_panel(trigger: Trigger) -> Text:
    """Return what it gives its jobs."""
    return Text.of_json("Parameters", trigger.parameters, empty="It gives none of its own.", icon="input")


def about_panel(trigger: Trigger, link: Links) -> Facts:
    """Return what it makes, and where it lives."""
    return Facts(
        "What it makes",
        [
            ("Process", link(trigger.process)),
            ("Priority", "as the process says" if trigger.priority is None else trigger.priority),
            ("Robot", link(trigger.target_robot) if trigger.target_robot else "any"),
            ("Machine", link(trigger.target_machine) if trigger.target_machine else "any"),
            ("Folder", link(trigger.folder)),
            ("Tenant", link(trigger.tenant)),
            ("Made by", trigger.created_by),
            ("Made", display.moment(trigger.created_at)),
            ("Id", trigger.pk),
        ],
        icon="account_tree",
    )


def schedule_panel(trigger: Trigger, link: Links) -> Facts:
    """Return when it is due, and what becomes of times that collide or pass by."""
    rows: list[tuple[str, Any]] = [("Kind", trigger.get_kind_display())]
    rows += _of_queue(trigger, link) if trigger.kind == TriggerKind.QUEUE else _of_time(trigger)
    rows += [
        ("From", display.moment(trigger.starts_at)),
        ("Up to", display.moment(trigger.ends_at)),
        ("Calendar", link(trigger.calendar)),
        ("Spread by", display.length(trigger.jitter) if trigger.jitter else "nothing"),
        ("Failures in a row", f"{trigger.failures}; {trigger.most_failures} switch it off"),
    ]
    return Facts("When", rows, icon="schedule")


def _of_time(trigger: Trigger) -> list[tuple[str, Any]]:
    cron = trigger.configuration.get("cron")
    limit = f", {trigger.misfire_limit} at most" if trigger.misfire == "fire_all" else ""
    return [
        ("Due", states.in_words(trigger)),
        *([("Expression", display.mono(cron))] if cron else []),
        ("Time zone", trigger.time_zone),
        ("While a job goes on", trigger.get_overlap_display()),
        ("Missed times", f"{trigger.get_misfire_display()}{limit}"),
        ("Missed after", display.length(trigger.misfire_grace)),
    ]


def _of_queue(trigger: Trigger, link: Links) -> list[tuple[str, Any]]:
    wishes = [(name.replace("_", " ").capitalize(), value) for name, value in trigger.configuration.items()]
    return [("Queue", link(trigger.queue)), *wishes]
