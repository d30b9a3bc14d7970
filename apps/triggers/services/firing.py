"""The engine: what becomes of triggers whose time has come, exactly once, however many look.

A batch of due triggers is locked, decided and written in one transaction: jobs, firings and the next time of each move
together or not at all, and whoever looks meanwhile passes the locked ones over. Where the database refuses a batch,
each of its triggers is looked at by itself, so that a broken one is found, marked, and stops no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import DataError, IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet

from apps.core.actors import Actor
from apps.jobs.models import Job
from apps.rbac import services as rbac
from apps.triggers.models import Firing, FiringStatus, Trigger
from apps.triggers.services import _clock, _outcomes, _surroundings, _writing

BATCH = 500
"""So many triggers are looked at in one transaction."""

_WITH = (
    "tenant", "folder", "calendar", "queue", "target_robot", "target_machine",
    "process__package", "process__pinned_version", "process__folder",
)  # fmt: skip


@transaction.atomic
def fire_due_triggers(*, actor: Actor, at: datetime | None = None, limit: int = BATCH) -> int:
    """Decide about up to ``limit`` triggers whose time has come, and return how many there were.

    ``at`` is the moment to decide for; without it, now by the database's clock. A job that cannot be made is a failed
    firing, and so many in a row switch its trigger off.
    """
    rbac.require(actor, "triggers.fire_trigger", rbac.EVERYWHERE)
    now = at or _clock.now()
    claimed = list(_locked(Trigger.objects.due(now)).order_by("next_fire_at")[:limit])
    if claimed:
        _fire(claimed, now, actor)
    return len(claimed)


@transaction.atomic
def release_waiting_firings(*, actor: Actor, limit: int = BATCH) -> int:
    """Make the jobs of due times that waited for another job to end; returns how many times were settled.

    Those of triggers that were switched off meanwhile are skipped, and those under a brake wait on.
    """
    rbac.require(actor, "triggers.fire_trigger", rbac.EVERYWHERE)
    waiting = Trigger.objects.filter(pk__in=Firing.objects.waiting().values("trigger"))
    idle = waiting.exclude(Exists(Job.objects.going_on_of(OuterRef("pk"))))
    triggers = list(_locked(idle).order_by("pk")[:limit])
    around = _surroundings.read(triggers)
    ready = {one.pk: one for one in triggers if not around.live.get(one.pk) and not around.held_by(one)}
    firings = list(Firing.objects.waiting().filter(trigger__in=ready))
    for firing in firings:
        firing.trigger = ready[firing.trigger_id]
    _settle_waiting(firings, actor)
    return len(firings)


def _locked(triggers: QuerySet[Trigger]) -> QuerySet[Trigger]:
    return triggers.select_for_update(of=("self",), skip_locked=True).prefetch_related(*_WITH)


def _fire(triggers: Sequence[Trigger], now: datetime, actor: Actor) -> None:
    try:
        with transaction.atomic():
            _writing.write(_outcomes.outcomes_of(triggers, now), now=now, actor=actor)
    except (IntegrityError, DataError) as error:
        if len(triggers) > 1:
            for trigger in triggers:
                _fire([_again(trigger)], now, actor)
        else:
            _mark_broken(_again(triggers[0]), str(error), now, actor)


def _again(trigger: Trigger) -> Trigger:
    """Read a locked trigger afresh: what was rolled back has left its traces on the one in hand."""
    return Trigger.objects.prefetch_related(*_WITH).get(pk=trigger.pk)


def _mark_broken(trigger: Trigger, error: str, now: datetime, actor: Actor) -> None:
    why = f"The database refuses its jobs: {error.splitlines()[0]}"
    _writing.write([_outcomes.broken_outcome(trigger, why, now)], now=now, actor=actor)


def _settle_waiting(firings: Sequence[Firing], actor: Actor) -> None:
    now = _clock.now()
    alive = [one for one in firings if one.trigger.enabled and not one.trigger.broken and not one.trigger.deleted_at]
    for firing in firings:
        firing.status, firing.code = FiringStatus.SKIPPED, "disabled"
        firing.reason = "Its trigger was switched off while this time waited for a job to end."
    for firing in alive:
        firing.code, firing.reason = "", "It waited for the job before it to end."
    wanted = [_outcomes.wanted_of(firing, firing.trigger, now=now) for firing in alive]
    _writing.make_jobs(firings, wanted, actor=actor)
    Firing.objects.bulk_update(firings, ["status", "code", "reason", "jobs_made"])
    _writing.tell(firings)
    for firing in alive:
        _note_settled(firing, now, actor)


def _note_settled(firing: Firing, now: datetime, actor: Actor) -> None:
    trigger = firing.trigger
    failures = _writing.failures_after(trigger.failures, [firing])
    changes: dict[str, object] = {"failures": failures}
    if firing.jobs_made:
        changes["last_fired_at"] = now
    if off := _writing.why_off(failures, trigger.most_failures, [firing]):
        changes |= {"enabled": False, "disabled_reason": off}
        _writing.alarm_disabled(trigger, off, actor=actor)
    Trigger.objects.filter(pk=trigger.pk).update(**changes)
