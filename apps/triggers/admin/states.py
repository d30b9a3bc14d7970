"""What triggers and firings look like, in words."""

from __future__ import annotations

from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.admin import display
from apps.core.admin.display import Tone
from apps.jobs.admin import states as job_states
from apps.triggers.models import QUEUED, Firing, FiringStatus, Trigger, TriggerKind
from apps.triggers.rules.schedules import BadSchedule

FIRINGS: dict[str, str] = {
    FiringStatus.FIRED: Tone.GOOD,
    FiringStatus.SKIPPED: Tone.CARE,
    FiringStatus.FAILED: Tone.BAD,
}
#: So much of a reason stands in a list; its page says the rest.
SHORT_REASON = 90


@display.column("State")
def state(trigger: Trigger) -> SafeString:
    """Say whether a trigger works, and if not, why."""
    badge, why = badge_of(trigger), why_not(trigger)
    return format_html('{} <span class="op-faint" title="{}">{}</span>', badge, why, brief(why)) if why else badge


def badge_of(trigger: Trigger) -> SafeString:
    """Return what a trigger does now, in one word or two."""
    if trigger.deleted_at is not None:
        return display.badge("deleted", Tone.BAD)
    if trigger.broken:
        return display.badge("broken", Tone.BAD)
    if not trigger.enabled:
        return display.badge("off", Tone.CARE)
    if trigger.next_fire_at is None:
        return display.badge("over", Tone.CALM)
    return display.badge("skips next", Tone.CARE) if trigger.skip_next else display.badge("on", Tone.GOOD)


def why_not(trigger: Trigger) -> str:
    """Say why a trigger makes no jobs; empty where it does."""
    if trigger.broken:
        return trigger.broken
    if not trigger.enabled:
        return trigger.disabled_reason
    return "It is never due again." if trigger.next_fire_at is None else ""


def brief(text: str) -> str:
    """Return as much of a text as a list has room for."""
    return text if len(text) <= SHORT_REASON else f"{text[: SHORT_REASON - 1].rstrip()}…"


@display.column("Due")
def rule(trigger: Trigger) -> SafeString | str:
    """Say by what a trigger is due, in words, with the expression in the tooltip."""
    if trigger.kind == TriggerKind.QUEUE:
        return f"Queue {trigger.queue}" if trigger.queue is not None else "Queue"
    words = in_words(trigger)
    expression = trigger.configuration.get("cron", "")
    return format_html('<span title="{}">{}</span>', expression, words) if expression else words


def in_words(trigger: Trigger) -> str:
    """Return what the schedule of a time trigger means; what it says where it means nothing."""
    try:
        words = trigger.schedule().in_words
    except BadSchedule:
        return str(trigger.configuration.get("cron", "")) or "–"
    return f"{words}, {trigger.time_zone}" if "cron" in trigger.configuration else words


@display.column("Next", order="next_fire_at")
def next_time(trigger: Trigger) -> SafeString | str:
    """Say when it is due next, by the reader's clock."""
    if not trigger.is_due:
        return display.NOTHING
    if trigger.kind == TriggerKind.QUEUE:
        return display.nowrap(f"looks every {display.length(trigger.configuration.get('polling_interval', 5))}")
    return display.moment(trigger.next_fire_at)


def firing_badge(firing: Firing) -> SafeString:
    """Return what became of a due time."""
    return _firing_badge(firing.status, firing.code)


def _firing_badge(status: str, code: str) -> SafeString:
    if code == QUEUED:
        return display.badge("waits its turn", Tone.BUSY)
    return display.badge(FiringStatus(status).label.lower(), FIRINGS[status])


def coded(firing: Firing) -> SafeString:
    """Return what became of a due time, with the code of the reason it has, if any."""
    code = "" if firing.code == QUEUED else firing.code.replace("_", " ")
    badge = firing_badge(firing)
    return format_html('{} <span class="op-faint">{}</span>', badge, code) if code else badge


@display.column("Last")
def last(trigger: Any) -> SafeString | str:
    """Say when it last was due, what became of that and how its newest job is, from what the list was read with."""
    if not trigger.last_status:
        return display.NOTHING
    badge = _firing_badge(trigger.last_status, trigger.last_code)
    told = format_html('<span title="{}">{} {}</span>', trigger.last_reason, badge, display.moment(trigger.last_at))
    if not trigger.last_job:
        return told
    tone = job_states.JOBS[trigger.last_job]
    return format_html("{} {}", told, display.badge(f"job {trigger.last_job}", tone, title="Its newest job"))


@display.column("Failures")
def failures(trigger: Trigger) -> SafeString | str:
    """Say how many times in a row failed, of how many that switch it off."""
    if not trigger.failures:
        return display.NOTHING
    return format_html('<span class="op-ink-bad op-nowrap">{} of {}</span>', trigger.failures, trigger.most_failures)
