"""The panels of a queue's page, and the columns that lists show of queues."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.admin import display
from apps.core.admin.access import Links
from apps.core.admin.display import Tone
from apps.core.admin.panels import Facts, Panel, Table, Text
from apps.queues.models import ErrorType, ItemStatus, Queue, QueueItem, QueueSchema, UniqueReferences
from apps.queues.models.statistics import Statistics, Tally

#: How many versions of a schema, and how many kinds of failure, a page lists.
VERSIONS_SHOWN, FAILURES_SHOWN = 20, 20


@display.column("Status")
def state(queue: Queue) -> SafeString:
    """Say whether it hands out."""
    if queue.deleted_at is not None:
        return display.badge("deleted", Tone.BAD)
    return (
        display.badge("paused", Tone.CARE, title=queue.paused_reason)
        if queue.paused
        else display.badge("open", Tone.GOOD)
    )


@display.column("Waiting")
def waiting(queue: Any) -> SafeString:
    """Say how many could be handed out now."""
    return display.nowrap(queue.glance.waiting.shown)


@display.column("In progress")
def in_progress(queue: Any) -> SafeString:
    """Say how many somebody works on."""
    return display.nowrap(queue.glance.in_progress.shown)


@display.column("Failed, 24 h")
def failed(queue: Any) -> SafeString:
    """Say how many failed for good in the last day."""
    tally: Tally = queue.glance.failed
    return display.badge(tally.shown, Tone.BAD) if tally.count else display.nowrap("0")


@display.column("Oldest waits")
def oldest(queue: Any) -> SafeString | str:
    """Say since when the oldest could have begun."""
    return display.ago(queue.glance.oldest_waiting_at)


def items_of(queue: Queue, **query: Any) -> str:
    """Return the address of the list of a queue's items, of any age."""
    return display.list_of(QueueItem, queue__id__exact=queue.pk, since="all", **query)


def now_panel(queue: Queue, told: Statistics) -> Panel:
    """Return what waits and what is in progress, with when it will be empty."""
    new, busy = ItemStatus.NEW, ItemStatus.IN_PROGRESS
    numbers = [
        ("Waiting", told.waiting.shown, items_of(queue, status__exact=new), Tone.CALM),
        ("Postponed", told.postponed.shown, items_of(queue, status__exact=new), Tone.CALM),
        ("In progress", told.in_progress.shown, items_of(queue, status__exact=busy), Tone.BUSY),
        ("Late", told.late.shown, items_of(queue, late="yes"), Tone.BAD if told.late.count else Tone.CALM),
    ]
    oldest_at = told.oldest_waiting_at
    since = format_html("The oldest could have begun {}.", display.ago(oldest_at)) if oldest_at else ""
    context = {"numbers": numbers, "text": format_html("{} {}", since, told.forecast)}
    return Panel("Now", "queues/numbers.html", context, icon="inbox")


def ended_panel(queue: Queue, told: Statistics) -> Panel:
    """Return how items ended in the last day, and how long that took."""
    of = {status: items_of(queue, status__exact=status) for status in ItemStatus}
    numbers = [
        ("Done", _number(told.done), of[ItemStatus.DONE], Tone.GOOD),
        ("Failed", _number(told.failed), of[ItemStatus.FAILED], Tone.BAD if told.failed else Tone.CALM),
        ("Abandoned", _number(told.abandoned), of[ItemStatus.ABANDONED], Tone.CALM),
        ("Tried again", _number(told.retried), "", Tone.CALM),
    ]
    average, most = display.length(told.average_seconds), display.length(told.p95_seconds)
    takes = f"Work on one took {average} on average, and no longer than {most} in 19 cases of 20."
    title = "Ended in the last 24 hours"
    if told.is_sampled:
        title = f"Ended since {display.exactly(told.since)}: the newest, as more did than are counted"
    return Panel(
        title,
        "queues/numbers.html",
        {"numbers": numbers, "text": takes if told.average_seconds is not None else ""},
        icon="task_alt",
    )


def failures_panel(queue: Queue, told: Statistics) -> Table:
    """Return what items failed of, the most frequent first."""
    kinds = dict(ErrorType.choices)
    failures = [one for one in told.ends if one.status == ItemStatus.FAILED]
    rows = [
        [
            format_html(
                '<a class="op-link" href="{}">{}</a>',
                items_of(queue, status__exact=one.status, error_type__exact=one.error_type),
                kinds.get(one.error_type, one.error_type),
            ),
            display.mono(one.error_code),
            _number(one.count),
        ]
        for one in failures[:FAILURES_SHOWN]
    ]
    more = len(failures) - len(rows)
    title = "What failed in the last 24 hours" + (f" ({more} rarer codes are left out)" if more > 0 else "")
    return Table(title, ["Kind of error", "Code", "Items"], rows, "Nothing.", icon="error")


def schema_panels(queue: Queue, address: str) -> list[Table | Text]:
    """Return what payloads must look like now, and the versions there were."""
    versions = list(QueueSchema.objects.filter(queue=queue).order_by("-number")[:VERSIONS_SHOWN])
    if not versions:
        return [Text("Schema", "", "Payloads may be anything. Say what they must look like under “Edit”.", icon="rule")]
    rows = [
        [
            format_html('<a class="op-link" href="{}">version {}</a>', f"{address}{one.number}/", one.number),
            display.badge("now", Tone.GOOD) if one.pk == queue.schema_id else "",
            one.made_by,
            display.moment(one.created_at),
        ]
        for one in versions
    ]
    return [Table("Schema", ["Version", "", "Made by", "Made"], rows, icon="rule")]


def about_panel(queue: Queue, link: Links) -> Facts:
    """Return what a queue is."""
    return Facts(
        "About it",
        [
            ("Folder", link(queue.folder)),
            ("Tenant", link(queue.tenant)),
            ("Payloads", "encrypted" if queue.encrypted else "as they are"),
            ("Finished items are kept", f"{queue.retention_days} days" if queue.retention_days else "as usual here"),
            ("Made", display.moment(queue.created_at)),
            ("Id", queue.pk),
        ],
    )


def rules_panel(queue: Queue) -> Facts:
    """Return the rules by which its items are handed out and tried again."""
    spread = ", at random" if queue.backoff_jitter else ""
    first, longest = display.length(queue.backoff_base), display.length(queue.backoff_cap)
    is_timed = queue.unique_references == UniqueReferences.WINDOW
    return Facts(
        "Its rules",
        [
            ("Tries at most", queue.max_attempts),
            ("Between tries", f"{first} doubling to {longest}{spread}"),
            ("Parked after", f"{queue.most_crashes} vanished holders"),
            (
                "References",
                queue.get_unique_references_display()
                + (f": {display.length(queue.unique_window)}" if is_timed else ""),
            ),
            ("Priority", queue.default_priority),
            ("Deadline after", display.length(queue.default_deadline)),
            ("Late after", display.length(queue.sla)),
            ("Held for", display.length(queue.lease_seconds)),
        ],
        icon="gavel",
    )


def schema_address(queue: Queue) -> str:
    """Return the address below which the versions of a queue's schema are."""
    return f"{reverse('admin:queues_queue_change', args=[queue.pk]).removesuffix('change/')}schema/"


def _number(count: int) -> str:
    return f"{count:,}"
