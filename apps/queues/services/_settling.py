"""Closing leases and moving their items: the one place where an end is turned into an item's next state.

Everything here runs inside the caller's transaction, with the item locked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from apps.core import ids, statements
from apps.core.errors import Invalid, Problem
from apps.events import services as events
from apps.events.rules import insert_sql
from apps.processes import rules as process_rules
from apps.queues.models import ErrorType, ItemLease, ItemStatus, QueueItem
from apps.queues.models.items import LONGEST_CODE
from apps.queues.rules.outcomes import ItemFacts, Outcome, Verdict, verdict
from apps.queues.services._telling import FACTS, facts_of

#: What nearly every report comes to, in one round trip: the items are locked first, as everywhere, and in order of
#: their ids, as every other call does; then their leases closed.
_FINISH_DONE = f"""
    WITH report AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(%(reports)s::jsonb) AS r (lease uuid, digest text, result jsonb)
    ), held AS MATERIALIZED (
        SELECT id, status FROM queues_queueitem WHERE id = ANY(%(items)s::uuid[]) ORDER BY id FOR UPDATE
    ), closed AS (
        UPDATE queues_itemlease l SET closed_at = statement_timestamp(), outcome = 'done', result_digest = r.digest
        FROM report r, held h
        WHERE l.id = r.lease AND l.id = ANY(%(leases)s::uuid[]) AND l.item_id = h.id AND h.status = 'in_progress'
          AND l.closed_at IS NULL
        RETURNING l.id, l.item_id, r.result
    ), moved AS (
        UPDATE queues_queueitem i SET status = 'done', finished_at = statement_timestamp(), result = c.result,
            error_type = '', error_code = '', error_reason = ''
        FROM closed c WHERE i.id = c.item_id AND i.id = ANY(%(items)s::uuid[]) AND i.status = 'in_progress'
        RETURNING i.id, i.tenant_id, i.folder_id, i.queue_id, i.status, i.attempt, i.lineage, i.finished_at,
            c.id AS lease
    ), told AS (
        {insert_sql("item.done", kind="queueitem", source="moved", data=f"jsonb_build_object({FACTS})")}
    )
    SELECT lease, finished_at FROM moved
"""  # fmt: skip

LARGEST_RESULT = 1024 * 1024
LONGEST_REASON = 10_000


class Answer(StrEnum):
    """What a report was worth. The last two do not count, and are kept aside with the lease."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    ADOPTED = "adopted"
    LATE = "late"
    CONFLICT = "conflict"

    @property
    def counts(self) -> bool:
        return self not in (Answer.LATE, Answer.CONFLICT)

    @property
    def in_words(self) -> str:
        if self is Answer.CONFLICT:
            return "Another end of this lease is stored already. This one is kept aside."
        if self is Answer.LATE:
            return "This lease is over: it ran out, or its item was taken back. What you said is kept aside."
        return f"The report was {self.value}."


@dataclass(frozen=True, slots=True)
class Report:
    """How work on an item ended, as its holder says."""

    outcome: str  # done, failed, abandoned or released
    result: Any = None
    error_type: str = ""
    error_code: str = ""
    error_reason: str = ""

    @property
    def digest(self) -> str:
        """What tells the same report again from another."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True, default=str).encode()).hexdigest()


Reported = tuple[ItemLease, Report]

#: What is said for a holder that says nothing any more.
VANISHED = Report(Outcome.EXPIRED, error_type=ErrorType.SYSTEM, error_reason="Its holder vanished too often.")


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of a report: the item, and the new try that it led to, if any."""

    answer: Answer
    item: QueueItem
    successor: QueueItem | None = None


def refuse_malformed(report: Report) -> None:
    """Raise ``Invalid`` where a report does not say what its outcome needs, or says too much."""
    if problems := problems_of(report):
        raise Invalid("; ".join(f"{p.field}: {p.message}" for p in problems), problems=problems)


def problems_of(report: Report) -> list[Problem]:
    """Say what is wrong with a report in itself, whatever it is about."""
    problems = []
    if report.outcome not in {Outcome.DONE, Outcome.FAILED, Outcome.ABANDONED, Outcome.RELEASED}:
        problems.append(Problem("status", "say done, failed, abandoned or released."))
    if report.outcome == Outcome.DONE and (report.error_type or report.error_reason or report.error_code):
        problems.append(Problem("error_type", "an item that is done has no error."))
    if report.outcome == Outcome.FAILED and report.error_type not in {ErrorType.APPLICATION, ErrorType.BUSINESS}:
        problems.append(Problem("error_type", "say application or business."))
    if report.outcome in {Outcome.FAILED, Outcome.ABANDONED} and not report.error_reason:
        problems.append(Problem("error_reason", "say in words what went wrong."))
    if len(report.error_reason) > LONGEST_REASON:
        problems.append(Problem("error_reason", f"has more than {LONGEST_REASON} characters."))
    if len(report.error_code) > LONGEST_CODE:
        problems.append(Problem("error_code", f"has more than {LONGEST_CODE} characters."))
    if len(json.dumps(report.result, default=str).encode()) > LARGEST_RESULT:
        problems.append(Problem("result", f"has more than {LARGEST_RESULT} bytes. Put large data into a file."))
    return problems


def lock_of(lease: ItemLease) -> tuple[QueueItem, ItemLease]:
    """Lock an item, then read the lease again: what it was before the wait may be stale."""
    item = QueueItem.objects.select_related("queue").select_for_update(of=("self",)).get(pk=lease.item_id)
    lease.refresh_from_db()
    return item, lease


def lock_in_order(leases: Iterable[ItemLease]) -> None:
    """Lock the items of several leases, so that two who settle the same ones never wait for each other."""
    wanted = QueueItem.objects.filter(pk__in={lease.item_id for lease in leases})
    list(wanted.order_by("pk").select_for_update().values_list("pk"))


def finish_done(reports: Sequence[Reported]) -> dict[UUID, QueueItem]:
    """Settle the successes among reports whose leases are still open; returns their items, by the key of the lease."""
    leases = {lease.pk: (lease, report) for lease, report in reports if report.outcome == Outcome.DONE}
    if not leases:
        return {}
    facts = {
        "items": statements.array(lease.item_id for lease, _ in leases.values()),
        "leases": statements.array(leases),
        "reports": json.dumps([_told(lease, report) for lease, report in leases.values()], default=str),
    }
    settled = {}
    for key, finished_at in statements.fetch(_FINISH_DONE, facts):
        lease, report = leases[key]
        item = settled[key] = lease.item
        item.status, item.result, item.finished_at = ItemStatus.DONE, report.result, finished_at
    return settled


def _told(lease: ItemLease, report: Report) -> dict[str, Any]:
    return {"lease": lease.pk, "digest": report.digest, "result": report.result}


def settle(item: QueueItem, lease: ItemLease, report: Report) -> Settled:
    """Close a lease and move its locked item. Runs inside the caller's transaction."""
    facts = ItemFacts(item.attempt, item.queue.max_attempts, item.crashes, item.queue.most_crashes)
    decided = verdict(Outcome(report.outcome), facts, error_type=report.error_type, code=report.error_code)
    changes = {"closed_at": Now(), "outcome": report.outcome}
    if report.outcome != Outcome.EXPIRED:
        changes["result_digest"] = report.digest
    ItemLease.objects.filter(pk=lease.pk).update(**changes)
    move(item, decided, report)
    return Settled(Answer.ACCEPTED, item, retry(item) if decided.is_retried else None)


def move(item: QueueItem, decided: Verdict, report: Report) -> None:
    """Put a locked item into the state that was decided, and tell whoever follows."""
    changes: dict[str, Any] = {"crashes": item.crashes + decided.crashed}
    if decided.status == ItemStatus.NEW:
        changes |= {"available_at": Now()}
    else:
        changes |= {
            "finished_at": Now(),
            "result": report.result,
            "error_type": decided.error_type,
            "error_code": decided.code,
            "error_reason": report.error_reason,
        }
    item.move_to(decided.status, **changes)
    name = "item.returned" if decided.status == ItemStatus.NEW else f"item.{decided.status}"
    events.record(name, item, data=facts_of(item, error_type=decided.error_type, error_code=decided.code))


def retry(item: QueueItem, *, attempt: int | None = None, delayed: bool = True) -> QueueItem:
    """Make the next try at a failed item: a new one that points at it and keeps its reference."""
    queue, key = item.queue, ids.uuid7()
    wait = process_rules.backoff_seconds(
        item.attempt, base=queue.backoff_base, cap=queue.backoff_cap, jitter=queue.backoff_jitter
    )
    successor = QueueItem(
        id=key,
        lineage=item.lineage,
        retry_of=item,
        attempt=attempt if attempt is not None else item.attempt + 1,
        tenant_id=item.tenant_id,
        folder_id=item.folder_id,
        queue=queue,
        schema_id=item.schema_id,
        reference=item.reference,
        payload=item.payload,
        priority=item.priority,
        **({"available_at": Now() + timedelta(seconds=wait)} if delayed else {}),
        deadline=item.deadline,
        late_at=item.late_at,
        tags=item.tags,
        created_by=item.created_by,
    )
    QueueItem.objects.bulk_create([successor])
    successor.refresh_from_db()
    successor.queue = queue
    events.record("item.retried", successor, data=facts_of(successor, retry_of=item.pk))
    return successor
