"""The panels of an item's page, and the columns that lists show of items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.actors import JOB, PERSON, ROBOT, SERVICE, Actor
from apps.core.admin import display
from apps.core.admin.access import Links
from apps.core.admin.display import Tone
from apps.core.admin.panels import AnyPanel, Facts, Panel, Table, Text
from apps.events.models import Event
from apps.jobs.admin.item_people import People
from apps.jobs.models import Job
from apps.queues.admin import files
from apps.queues.models import HolderKind, ItemFile, ItemLease, ItemStatus, QueueItem, ReviewStatus

ITEMS: dict[str, str] = {
    ItemStatus.NEW: Tone.CALM,
    ItemStatus.IN_PROGRESS: Tone.BUSY,
    ItemStatus.DONE: Tone.GOOD,
    ItemStatus.FAILED: Tone.BAD,
    ItemStatus.ABANDONED: Tone.CALM,
}
REVIEWS: dict[str, str] = {
    ReviewStatus.NONE: Tone.CALM,
    ReviewStatus.OPEN: Tone.CARE,
    ReviewStatus.IN_REVIEW: Tone.BUSY,
    ReviewStatus.VERIFIED: Tone.GOOD,
    ReviewStatus.RETRIED: Tone.CALM,
}
OUTCOMES: dict[str, str] = {"done": Tone.GOOD, "failed": Tone.BAD, "expired": Tone.BAD, "abandoned": Tone.CARE}
#: So many leases, and so many changes, a page shows.
LEASES_SHOWN, CHANGES_SHOWN = 20, 50


@display.column("Item")
def named(item: QueueItem) -> SafeString:
    """Name it by its reference, and by enough of its id to tell it from others."""
    text, faint = (item.reference, display.short(item.pk)) if item.reference else (display.short(item.pk), "")
    whole = display.nowrap(text) if len(text) <= display.SHORT_NAME else text
    return format_html('<span title="{}">{} <span class="op-faint op-nowrap">{}</span></span>', item.pk, whole, faint)


@display.column("Status")
def status(item: QueueItem) -> SafeString:
    """Show its status with why it is so, if there is a reason."""
    reason = _reason(item)
    return format_html('{} <span class="op-faint">{}</span>', badge(item), reason) if reason else badge(item)


@display.column("Review")
def review(item: QueueItem) -> SafeString | str:
    """Show how far its review is."""
    is_asked = item.review_status != ReviewStatus.NONE
    text = item.get_review_status_display().capitalize()
    return display.badge(text, REVIEWS[item.review_status]) if is_asked else display.NOTHING


@display.column("Ended")
def ended(item: QueueItem) -> SafeString | str:
    """Say when it ended."""
    return display.moment(item.finished_at)


@display.column("Took")
def took(item: QueueItem) -> SafeString | str:
    """Say how long somebody worked on it."""
    if item.taken_at is None or item.status == ItemStatus.NEW:
        return display.NOTHING
    if item.finished_at is None:
        return display.nowrap(f"{display.length(timezone.now() - item.taken_at)} so far")
    return display.nowrap(display.length(item.finished_at - item.taken_at))


def badge(item: QueueItem) -> SafeString:
    """Return its status."""
    return display.badge(item.get_status_display().capitalize(), ITEMS[item.status])


def _reason(item: QueueItem) -> str:
    if item.error_type:
        return f"{item.error_type} {item.error_code}".strip()
    if item.status == ItemStatus.NEW and item.reserved_for is not None:
        return "for a job"
    return "postponed" if item.status == ItemStatus.NEW and item.available_at > timezone.now() else ""


def main_panels(item: QueueItem, actor: Actor) -> list[AnyPanel]:
    """Return what is wanted of an item first: what it failed of, what it is about, what came of it, and its tries."""
    panels: list[AnyPanel] = []
    if item.error_type:
        error = {"type": f"{item.get_error_type_display()} error", "message": item.error_reason}
        if item.error_code:
            error["type"] = f"{error['type']} {item.error_code}:"
        panels.append(Panel("Error", "jobs/error.html", {"error": error}, icon="error"))
    panels.append(Text.of_json("Payload", item.payload, empty="It carries nothing.", icon="input"))
    if item.status == ItemStatus.DONE or item.result is not None:
        panels.append(Text.of_json("Result", item.result, empty="Nothing was returned.", icon="output"))
    if item.progress is not None:
        panels.append(Text.of_json("Progress", item.progress, icon="hourglass_top"))
    return [*panels, *_files(item), tries_panel(item), *_history(item, actor)]


def _files(item: QueueItem) -> list[AnyPanel]:
    found = ItemFile.objects.of(item)
    return [files.panel(found, empty="It has no files.")] if found.exists() else []


def tries_panel(item: QueueItem) -> Table:
    """Return all tries at the same piece of work, the oldest first."""
    rows = [
        [
            display.nowrap(f"try {one.attempt}, this one")
            if one.pk == item.pk
            else display.link(one, f"try {one.attempt} {display.short(one.pk)}"),
            status(one),
            display.moment(one.created_at),
            display.moment(one.taken_at),
            display.moment(one.finished_at),
        ]
        for one in item.tries.defer("payload", "result", "progress")
    ]
    return Table("Tries", ["Try", "Status", "Made", "Taken", "Ended"], rows, icon="timeline")


def _history(item: QueueItem, actor: Actor) -> list[AnyPanel]:
    leases = list(item.lease_history[:LEASES_SHOWN])
    changes = list(Event.objects.about(item)[:CHANGES_SHOWN])
    people = People(actor)
    acting = {kind: [one.actor_id for one in changes if one.actor_kind == kind] for kind in (PERSON, SERVICE, ROBOT)}
    holding = {kind: [one.holder_id for one in leases if one.holder_kind == kind] for kind in (PERSON, SERVICE)}
    robots = [one.holder_id for one in leases if one.holder_kind in (HolderKind.ROBOT, HolderKind.EXECUTION)]
    people.meet(PERSON, [*acting[PERSON], *holding[PERSON]])
    people.meet(SERVICE, [*acting[SERVICE], *holding[SERVICE]])
    people.meet(ROBOT, [*acting[ROBOT], *robots])
    jobs = [one.actor_id for one in changes if one.actor_kind == JOB]
    people.meet("execution", [*jobs, *(one.execution_id for one in leases)])
    return [_leases_panel(leases, people), _changes_panel(changes, people)]


def _leases_panel(leases: Sequence[ItemLease], people: People) -> Table:
    rows = [
        [
            _holder(one, people),
            display.moment(one.granted_at),
            display.moment(one.closed_at) if one.closed_at else _until(one),
            _outcome(one),
        ]
        for one in leases
    ]
    empty = "Nobody was given it yet."
    return Table("Who held it", ["Holder", "From", "To", "How it ended"], rows, empty, icon="badge")


def _holder(lease: ItemLease, people: People) -> SafeString | str:
    if lease.execution_id is None:
        return people.name(lease.holder_kind, lease.holder_id)
    job, robot = people.name("execution", lease.execution_id), people.name(ROBOT, lease.holder_id)
    return format_html("{} on {}", job, robot)


def _until(lease: ItemLease) -> SafeString | str:
    if lease.expires_at is None:
        return "while its job's try lasts"
    return format_html("unless renewed, until {}", display.moment(lease.expires_at))


def _outcome(lease: ItemLease) -> SafeString | str:
    if not lease.outcome:
        return display.badge("held", Tone.BUSY)
    shown = display.badge(lease.outcome, OUTCOMES.get(lease.outcome, Tone.CALM))
    late = lease.late_report
    if not isinstance(late, dict):
        return shown
    told = " ".join(str(late.get(name) or "") for name in ("outcome", "error_code", "error_reason")).strip()
    return format_html('{} <span class="op-faint" title="{}">then said, too late: {}</span>', shown, told, told[:100])


def _changes_panel(changes: Sequence[Event], people: People) -> Table:
    rows = [
        [
            display.moment(one.ts),
            one.type.removeprefix("item.").replace("_", " ").capitalize(),
            people.name("execution" if one.actor_kind == JOB else one.actor_kind, one.actor_id)
            if one.actor_kind
            else "",
        ]
        for one in changes
    ]
    empty = "Nothing has happened to it since it was added, or that is too long ago."
    return Table("What happened to it", ["When", "What", "By"], rows, empty, icon="history")


def side_panels(item: QueueItem, link: Links) -> list[AnyPanel]:
    """Return what an item is, what is thought of it, and when what happened."""
    panels: list[AnyPanel] = []
    if item.review_status != ReviewStatus.NONE:
        facts = [
            ("Review", review(item)),
            ("By", item.reviewer or display.NOTHING),
            ("Comment", item.review_comment or display.NOTHING),
        ]
        panels.append(Facts("Review", facts, icon="rate_review"))
    return [*panels, _about(item, link), _times(item)]


def _about(item: QueueItem, link: Links) -> Facts:
    worked_on, owner = _job(item.job_id), _job(item.reserved_for)
    rows: list[tuple[str, Any]] = [
        ("Queue", link(item.queue)),
        ("Reference", item.reference or display.NOTHING),
        ("Try", f"{item.attempt} of {item.queue.max_attempts}"),
        ("Priority", item.priority),
        ("Tags", display.badges(item.tags)),
        ("Owned by the job", link(owner, display.short(item.reserved_for)) if owner else display.NOTHING),
        ("Worked on in the job", link(worked_on, display.short(item.job_id)) if worked_on else display.NOTHING),
        ("Holders that vanished", f"{item.crashes} of {item.queue.most_crashes}"),
        ("Checked by", f"schema version {item.schema.number}" if item.schema else "nothing"),
        ("Folder", link(item.folder)),
        ("Tenant", link(item.tenant)),
        ("Added by", item.created_by),
        ("Id", item.pk),
    ]
    return Facts("About it", rows)


def _job(identity: Any) -> Job | None:
    return Job.objects.filter(pk=identity).first() if identity else None


def _times(item: QueueItem) -> Facts:
    rows = [
        ("Added", display.moment(item.created_at)),
        ("Not before", display.moment(item.available_at)),
        ("Deadline", display.moment(item.deadline)),
        ("Late from", display.moment(item.late_at)),
        ("Taken", display.moment(item.taken_at)),
        ("Ended", display.moment(item.finished_at)),
        ("Took", took(item)),
    ]
    return Facts("When", rows, icon="schedule")


def notices_of(item: QueueItem) -> list[SafeString | str]:
    """Return what a reader should know before all else."""
    notices: list[SafeString | str] = []
    if item.deleted_at is not None:
        notices.append("It was deleted: nobody is given it.")
    if item.error_code == "poison":
        notices.append("It is parked: those who worked on it vanished again and again. Look at its payload first.")
    successor = item.retries.first()
    if successor is not None:
        notices.append(format_html("It was tried again: {}.", display.link(successor, f"try {successor.attempt}")))
    elif item.status == ItemStatus.NEW and item.queue.paused:
        notices.append("Its queue is paused: nothing is handed out until it is resumed.")
    return notices
