"""Firing a trigger by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db import transaction

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Conflict, DomainError
from apps.jobs import services as jobs
from apps.rbac import services as rbac
from apps.triggers.models import Firing, FiringStatus, Trigger
from apps.triggers.services import _clock, _handing_out, _outcomes, _surroundings, _writing
from apps.triggers.services._locking import lock


class TriggersHeld(Conflict):
    """A brake holds triggers there, or the tenant is suspended; the message says which and why."""

    code = "triggers_held"


@transaction.atomic
def fire_trigger(trigger: Trigger, *, actor: Actor, parameters: Mapping[str, Any] | None = None) -> Firing:
    """Make one job of a trigger now, whatever its schedule, calendar and overlap say, also while it is switched off.

    ``parameters`` go over those of the trigger; whoever gives any must be allowed to run its process. Where the trigger
    hands items out, the job owns the next of them, or none where none waits or the queue is paused. Raises
    ``TriggersHeld``, and as ``create_job`` does; then there is no firing.
    """
    rbac.require(actor, "triggers.fire_trigger", trigger)
    if parameters:
        rbac.require(actor, "processes.run_process", trigger.process)
    lock(trigger)
    if held := _surroundings.read([trigger]).held_by(trigger):
        raise TriggersHeld(held)
    now = _clock.now()
    firing = _outcomes.new_firing(trigger, now, now, status=FiringStatus.FIRED, by_hand=str(actor)[:200])
    items = _handing_out.next_batch(trigger, now=now)
    wish = _outcomes.wanted_of(firing, trigger, now=now, created_by=str(actor), items=items)
    asked = replace(wish.wanted, parameters={**wish.wanted.parameters, **(parameters or {})}, available_at=None)
    [answer] = jobs.create_triggered_jobs([replace(wish, wanted=asked)], actor=Actor.system("triggers"))
    if isinstance(answer, DomainError):
        raise answer
    firing.jobs_made = 1
    _writing.store([firing])
    Trigger.objects.filter(pk=trigger.pk).update(last_fired_at=now)
    audit.record(actor, "trigger.fired", trigger, after={"job": str(answer.pk), "firing": str(firing.pk)})
    return firing
