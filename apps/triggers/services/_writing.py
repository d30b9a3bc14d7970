"""Writing what came of due times: jobs, firings, events and where each trigger stands, a handful of statements for all.

Runs inside the caller's transaction, with the triggers locked.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from apps.audit import services as audit
from apps.core import statements
from apps.core.actors import Actor
from apps.core.errors import DomainError
from apps.events import services as events
from apps.events.rules import insert_sql
from apps.jobs import services as jobs
from apps.jobs.services import Triggered
from apps.triggers.models import QUEUED, Firing, FiringStatus
from apps.triggers.services._outcomes import LONGEST_CODE, LONGEST_REASON, Outcome

_STANDING = """
    UPDATE triggers_trigger t SET next_fire_at = d.next_fire_at, memory = d.memory, skip_next = d.skip_next,
        failures = d.failures, broken = d.broken, enabled = t.enabled AND d.off = '',
        disabled_reason = CASE WHEN d.off = '' THEN t.disabled_reason ELSE d.off END,
        last_fired_at = coalesce(d.last_fired_at, t.last_fired_at)
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS d (id uuid, next_fire_at timestamptz, memory jsonb, skip_next boolean,
        failures int, broken text, off text, last_fired_at timestamptz)
    WHERE t.id = d.id
"""
_TELL = {
    name: insert_sql(
        f"firing.{name}",
        kind="firing",
        source="(SELECT * FROM triggers_firing WHERE id = ANY (%(firings)s::uuid[])) made",
        data="jsonb_build_object('trigger', trigger_id, 'due_at', due_at, 'status', status, 'code', code, "
        "'jobs', jobs_made)",
    )
    for name in ("fired", "skipped", "failed", "queued")
}


def write(outcomes: Sequence[Outcome], *, now: datetime, actor: Actor) -> None:
    """Write what came of due times."""
    make_jobs(
        [firing for one in outcomes for firing in one.firings],
        [wanted for one in outcomes for wanted in one.wanted],
        actor=actor,
    )
    store([firing for one in outcomes for firing in one.firings])
    jobs.replace_jobs([job for one in outcomes if _has_fired(one) for job in one.replaces], actor=actor)
    rows = [_standing_of(one, now) for one in outcomes]
    statements.execute(_STANDING, {"rows": json.dumps(rows, cls=DjangoJSONEncoder)})
    for outcome, row in zip(outcomes, rows, strict=True):
        _alarm(outcome, str(row["off"]), actor)


#: What a firing that hit a quota of its tenant is called: nobody did anything wrong.
OVER_QUOTA = "quota_exceeded"


def make_jobs(firings: Sequence[Firing], wanted: Sequence[Triggered], *, actor: Actor) -> None:
    """Make the jobs that unsaved firings want, and note with each firing how many there are, or why there is none."""
    by_key = {firing.pk: firing for firing in firings}
    for wish, answer in zip(wanted, jobs.create_triggered_jobs(wanted, actor=actor), strict=True):
        firing = by_key[wish.firing_id]
        if isinstance(answer, DomainError):
            firing.code, firing.reason = answer.code[:LONGEST_CODE], str(answer)[:LONGEST_REASON]
        else:
            firing.jobs_made += 1
    for firing in {wish.firing_id: by_key[wish.firing_id] for wish in wanted}.values():
        otherwise = FiringStatus.SKIPPED if firing.code == OVER_QUOTA else FiringStatus.FAILED
        firing.status = FiringStatus.FIRED if firing.jobs_made else otherwise


def store(firings: Sequence[Firing]) -> None:
    """Store new firings and tell of them."""
    statements.insert_all(firings)
    tell(firings)


def tell(firings: Sequence[Firing]) -> None:
    """Write down what became of stored firings, for whoever follows."""
    by_name = defaultdict(list)
    for firing in firings:
        by_name[QUEUED if firing.code == QUEUED else str(firing.status)].append(firing.pk)
    for name, keys in by_name.items():
        statements.execute(_TELL[name], {"firings": statements.array(keys)})


def failures_after(before: int, firings: Sequence[Firing]) -> int:
    """Return how many failures in a row there are after some firings, in their order; what was skipped counts not."""
    for firing in firings:
        if firing.status == FiringStatus.FAILED:
            before += 1
        elif firing.status == FiringStatus.FIRED and firing.jobs_made:
            before = 0
    return before


def why_off(failures: int, most: int, firings: Sequence[Firing]) -> str:
    """Say why a trigger is switched off after so many failures in a row; empty where it is not."""
    if failures < most:
        return ""
    reasons = [firing.reason for firing in firings if firing.status == FiringStatus.FAILED]
    return f"Switched off after {failures} failures in a row. The last: {reasons[-1] if reasons else ''}"[:300]


def alarm_disabled(trigger: Any, reason: str, *, actor: Actor) -> None:
    """Write down that the system switched a trigger off."""
    audit.record(actor, "trigger.disabled", trigger, reason=reason)
    events.record("trigger.disabled", trigger, data={"reason": reason, "by_itself": True})


def _has_fired(outcome: Outcome) -> bool:
    return any(firing.jobs_made for firing in outcome.firings)


def _standing_of(outcome: Outcome, now: datetime) -> dict[str, Any]:
    trigger = outcome.trigger
    failures = failures_after(trigger.failures, outcome.firings)
    off = "" if outcome.broken else why_off(failures, trigger.most_failures, outcome.firings)
    return {
        "id": trigger.pk,
        "next_fire_at": outcome.next_at,
        "memory": outcome.memory,
        "skip_next": outcome.skip_next,
        "failures": failures,
        "broken": outcome.broken,
        "off": off if failures > trigger.failures else "",
        "last_fired_at": now if _has_fired(outcome) else None,
    }


def _alarm(outcome: Outcome, off: str, actor: Actor) -> None:
    """Tell of what somebody should look at."""
    trigger = outcome.trigger
    if outcome.broken:
        audit.record(actor, "trigger.broken", trigger, reason=outcome.broken)
        events.record("trigger.broken", trigger, data={"reason": outcome.broken})
    if off:
        alarm_disabled(trigger, off, actor=actor)
    if outcome.memory.get("feeds_itself") and not trigger.memory.get("feeds_itself"):
        events.record("trigger.feeds_itself", trigger, data={"queue": str(trigger.queue_id)})
