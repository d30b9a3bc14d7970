"""Changing many jobs by filter: counted first, then worked off in the background, a batch per transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from apps.audit import services as audit
from apps.core import bulk, ids
from apps.core.actors import Actor
from apps.core.errors import Invalid
from apps.core.later import later
from apps.events import services as events
from apps.jobs.models import BulkAction, BulkChange, Job
from apps.jobs.services import _copying, _making, _trees
from apps.processes.models import NothingToRun, Process
from apps.rbac import services as rbac
from apps.tenancy.models import Tenant

#: Columns that say how a job can be run again; what can be long stays in the database.
_DECIDING_COPY = ("tenant", "folder", "process", "package_version")
_RETRIED_WITH = ("process__package", "process__pinned_version", "target_robot", "target_machine")


@transaction.atomic
def request_bulk_change(
    tenant: Tenant,
    *,
    actor: Actor,
    action: BulkAction,
    filters: dict[str, Any],
    priority: int | None = None,
    reason: str = "",
) -> BulkChange:
    """Ask for a change to every job of a tenant that matches and that the actor may change. Raises ``Invalid``."""
    rbac.require(actor, action.permission, None)
    if (action == BulkAction.PRIORITISE) != (priority is not None):
        raise Invalid.field("priority", "name the new priority for this action, and only for it.")
    if priority is not None and not _making.LOWEST_PRIORITY <= priority <= _making.HIGHEST_PRIORITY:
        raise Invalid.field("priority", "must lie between -1000 and 1000.")
    matching = Job.objects.changeable(tenant.pk, actor=actor, action=action, filters=filters)
    change = BulkChange.objects.create(
        tenant=tenant,
        action=action,
        filters=filters,
        priority=priority,
        reason=reason,
        expected=matching.count(),
        until=ids.uuid7(),
        **bulk.asked_by(actor),
    )
    asked = {"action": action, "filters": filters, "expected": change.expected, "priority": priority}
    audit.record(actor, "jobs.bulk_change_requested", change, after=asked, reason=reason)
    events.record("bulk_change.requested", change, data={"action": action, "expected": change.expected})
    later("jobs.work_off_bulk_changes")
    return change


@transaction.atomic
def advance_bulk_change(change: BulkChange, *, actor: Actor) -> int | None:
    """Handle the next batch; returns how many jobs it looked at, or ``None`` when there is nothing left to do."""
    rbac.require(actor, "jobs.sweep_execution", change)
    step = bulk.advance(change, matching=_matching, apply=_apply)
    if step is None:
        return None
    if step.end is not None:
        events.record("bulk_change.ended", change, data={"status": step.end, "problem": step.problem})
        return None
    return step.looked_at


def _matching(change: BulkChange, requester: Actor) -> QuerySet[Job]:
    action = BulkAction(change.action)
    return Job.objects.changeable(change.tenant_id, actor=requester, action=action, filters=change.filters)


def _apply(change: BulkChange, batch: list[UUID]) -> int:
    return _ACTIONS[BulkAction(change.action)](change, batch)


def _cancel(change: BulkChange, batch: list[UUID]) -> int:
    locked = _trees.lock_trees(batch)  # With all below them, in one order for the whole batch.
    concerned = _trees.cancel_all(locked, data={"bulk": str(change.pk)})
    return len(concerned.intersection(batch))


def _prioritise(change: BulkChange, batch: list[UUID]) -> int:
    waiting = Job.objects.filter(pk__in=batch, status__in=BulkAction.PRIORITISE.concerns)
    done = waiting.update(priority=change.priority)
    events.record_each("job.prioritised", waiting, data={"priority": change.priority, "bulk": str(change.pk)})
    return done


def _retry(change: BulkChange, batch: list[UUID]) -> int:
    by_process: dict[UUID, list[Job]] = {}
    # Held, so that retention does not take one away in this moment.
    held = Job.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=batch)
    for job in held.only(*_DECIDING_COPY).order_by("pk"):
        by_process.setdefault(job.process_id, []).append(job)
    processes = Process.objects.select_related("package", "pinned_version").in_bulk(list(by_process))
    return sum(_retry_of_one_process(change, processes[pk], jobs) for pk, jobs in by_process.items())


def _retry_of_one_process(change: BulkChange, process: Process, jobs: list[Job]) -> int:
    """Copy within the database what runs as it ran; look at the rest one by one."""
    created_by = str(change.requested_by)
    try:
        _making.refuse_disabled(process)
        snapshot, _ = _making.snapshot_of(process)
    except (_making.ProcessDisabled, NothingToRun):
        return 0  # They count as refused; other processes go on.
    version = snapshot.get("package_version")
    alike = [job for job in jobs if _copying.can_copy(process, job, version.pk if version else None)]
    done = _copying.copy_jobs(process, alike, snapshot, created_by=created_by)
    others = {job.pk for job in jobs} - {job.pk for job in alike}
    if others:
        rows = Job.objects.filter(pk__in=others).select_related(*_RETRIED_WITH).defer("result", "error").order_by("pk")
        done += len(_making.again(list(rows), created_by=created_by))
    return done


_ACTIONS: dict[BulkAction, Callable[[BulkChange, list[UUID]], int]] = {
    BulkAction.CANCEL: _cancel,
    BulkAction.RETRY: _retry,
    BulkAction.PRIORITISE: _prioritise,
}
