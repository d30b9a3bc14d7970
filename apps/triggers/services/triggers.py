"""Making and changing triggers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from apps.audit import services as audit
from apps.core import bin
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, Problem
from apps.events import services as events
from apps.jobs import services as jobs
from apps.rbac import services as rbac
from apps.tenancy.models import Folder
from apps.triggers.models import Trigger
from apps.triggers.rules import schedules, substitution
from apps.triggers.rules.schedules import BadSchedule
from apps.triggers.services import _clock
from apps.triggers.services._locking import lock
from apps.triggers.services.kinds import KINDS

#: What a caller may set. The kind is said once, when a trigger is made.
SETTABLE = (
    "name", "description", "configuration", "time_zone", "queue", "process", "parameters", "priority", "target_robot",
    "target_machine", "overlap", "misfire", "misfire_limit", "misfire_grace", "jitter", "starts_at", "ends_at",
    "calendar", "most_failures",
)  # fmt: skip

#: Changing one of these decides anew when it is due next.
_DECIDING_TIMES = frozenset({"configuration", "time_zone", "queue", "starts_at", "ends_at"})
_ROWS = ("queue", "process", "target_robot", "target_machine", "calendar")
#: Facts of a firing that never was, to check parameters with.
_EXAMPLE = {"due_at": "2026-01-31T10:00:00+00:00", "item_ids": []}


@transaction.atomic
def create_trigger(folder: Folder, *, actor: Actor, kind: str, enabled: bool = True, **fields: Any) -> Trigger:
    """Make a trigger in ``folder`` from any of ``SETTABLE``. Whoever makes it must be allowed to run its process.

    Raises ``Invalid`` naming each wrong field, ``Conflict`` where the name is taken, ``NothingToRun``.
    """
    rbac.require(actor, "triggers.add_trigger", folder)
    if kind not in KINDS:
        raise Invalid.field("kind", f"there are {', '.join(KINDS)}.", code="unknown")
    trigger = Trigger(
        folder=folder, tenant_id=folder.tenant_id, kind=kind, enabled=enabled, created_by=str(actor)[:200]
    )
    trigger.created_at = _clock.now()
    _fill(trigger, fields, actor)
    _set_next(trigger)
    _save(trigger)
    audit.record(actor, "trigger.created", trigger, after=_facts(trigger))
    events.record("trigger.created", trigger)
    return trigger


@transaction.atomic
def update_trigger(trigger: Trigger, *, actor: Actor, **fields: Any) -> Trigger:
    """Change any of ``SETTABLE``; one that was broken is tried again. Raises as ``create_trigger`` does.

    Where its times change, it is next due at the first of the new ones after now. Jobs that were made stay as they are.
    """
    rbac.require(actor, "triggers.change_trigger", trigger)
    lock(trigger)
    before = _facts(trigger)
    _fill(trigger, fields, actor)
    if trigger.broken or any(
        before[name] != after for name, after in _facts(trigger).items() if name in _DECIDING_TIMES
    ):
        trigger.broken, trigger.memory = "", {}
        _set_next(trigger)
    _save(trigger)
    audit.record(actor, "trigger.updated", trigger, before=before, after=_facts(trigger))
    events.record("trigger.updated", trigger)
    return trigger


@transaction.atomic
def delete_trigger(trigger: Trigger, *, actor: Actor) -> None:
    """Take a trigger out of every list. What it made stays, and goes on."""
    rbac.require(actor, "triggers.delete_trigger", trigger)
    lock(trigger)
    bin.put(trigger, by=actor, enabled=False, next_fire_at=None)
    audit.record(actor, "trigger.deleted", trigger, before=_facts(trigger))
    events.record("trigger.deleted", trigger)


@transaction.atomic
def restore_trigger(trigger: Trigger, *, actor: Actor, name: str | None = None) -> Trigger:
    """Take a trigger back out of the bin, switched off, so that nothing fires that nobody expects any more.

    Raises ``Conflict`` as ``bin.take_back`` does, and while its process, its queue or its calendar is gone.
    """
    rbac.require(actor, "triggers.delete_trigger", trigger)
    for what, other in (("process", trigger.process), ("queue", trigger.queue), ("calendar", trigger.calendar)):
        bin.refuse_if_gone(other, f"Its {what}")
    bin.take_back(trigger, name=name, disabled_reason="It was in the bin.")
    audit.record(actor, "trigger.restored", trigger, after=_facts(trigger))
    events.record("trigger.restored", trigger)
    return trigger


@transaction.atomic
def enable_trigger(trigger: Trigger, *, actor: Actor) -> Trigger:
    """Switch a trigger on again: it is next due at the first time after now, and failures count from none."""
    rbac.require(actor, "triggers.enable_trigger", trigger)
    lock(trigger)
    if not trigger.enabled:
        trigger.enabled, trigger.disabled_reason, trigger.failures = True, "", 0
        _refuse_problems(trigger)
        trigger.broken, trigger.memory = "", {}
        _set_next(trigger)
        trigger.save()
        audit.record(actor, "trigger.enabled", trigger)
        events.record("trigger.enabled", trigger)
    return trigger


@transaction.atomic
def disable_trigger(trigger: Trigger, *, actor: Actor, reason: str = "") -> Trigger:
    """Switch a trigger off; times that pass meanwhile are not made up for."""
    rbac.require(actor, "triggers.enable_trigger", trigger)
    lock(trigger)
    if trigger.enabled:
        trigger.enabled, trigger.disabled_reason = False, reason[:300]
        Trigger.objects.filter(pk=trigger.pk).update(enabled=False, disabled_reason=trigger.disabled_reason)
        audit.record(actor, "trigger.disabled", trigger, reason=reason)
        events.record("trigger.disabled", trigger, data={"reason": trigger.disabled_reason, "by_itself": False})
    return trigger


@transaction.atomic
def skip_next_time(trigger: Trigger, *, actor: Actor, skip: bool = True) -> Trigger:
    """Have the next time at which a trigger would fire skipped, or not after all."""
    rbac.require(actor, "triggers.enable_trigger", trigger)
    lock(trigger)
    if trigger.skip_next != skip:
        Trigger.objects.filter(pk=trigger.pk).update(skip_next=skip)
        trigger.skip_next = skip
        name = "trigger.skip_asked" if skip else "trigger.skip_withdrawn"
        audit.record(actor, name, trigger, after={"next_fire_at": trigger.next_fire_at})
        events.record(name, trigger)
    return trigger


def _facts(trigger: Trigger) -> dict[str, Any]:
    """Return what of a trigger is worth comparing in the audit trail."""
    values = {name: getattr(trigger, name) for name in SETTABLE}
    facts = {name: str(value.pk) if hasattr(value, "pk") else value for name, value in values.items()}
    return {"kind": trigger.kind, **facts}


def _set_next(trigger: Trigger) -> None:
    trigger.next_fire_at = KINDS[trigger.kind].first_due(trigger, now=_clock.now())


def _fill(trigger: Trigger, fields: dict[str, Any], actor: Actor) -> None:
    if unknown := sorted(set(fields) - set(SETTABLE)):
        raise Invalid("Unknown fields.", problems=[Problem(name, "is not a field.") for name in unknown])
    for name, value in fields.items():
        setattr(trigger, name, value)
    trigger.name = trigger.name.strip()
    _refuse_problems(trigger)
    # Whoever changes what a process is run with runs it.
    rbac.require(actor, "processes.run_process", trigger.process)
    if trigger.queue is not None:
        hands_out = KINDS[trigger.kind].batch_size(trigger) > 0
        rbac.require(actor, "queues.take_queueitem" if hands_out else "queues.view_queue", trigger.queue)
    if trigger.calendar is not None:
        rbac.require(actor, "triggers.view_calendar", trigger.calendar)
    _refuse_parameters(trigger)


def _refuse_problems(trigger: Trigger) -> None:
    """Raise ``Invalid`` with everything that is wrong with the fields of a trigger."""
    problems = list(_field_problems(trigger)) or [
        *_row_problems(trigger),
        *_time_problems(trigger),
        *KINDS[trigger.kind].problems(trigger, now=_clock.now()),
    ]
    unique = list({(one.field, one.message): one for one in problems}.values())
    if unique:
        raise Invalid("; ".join(f"{one.field}: {one.message}" for one in unique), problems=unique)


def _field_problems(trigger: Trigger) -> Iterator[Problem]:
    named: Any = trigger.process_id
    if named is None:
        yield Problem("process", "name the process whose jobs it makes.", "required")
    for name in ("configuration", "parameters"):
        value: Any = getattr(trigger, name)
        if not isinstance(value, dict):
            yield Problem(name, "must be an object.")
    try:
        trigger.clean_fields(exclude=["folder", "tenant", "created_by", *_ROWS, "configuration", "memory"])
    except ValidationError as error:
        yield from (Problem(field, text) for field, texts in error.message_dict.items() for text in texts)


def _row_problems(trigger: Trigger) -> Iterator[Problem]:
    for name in _ROWS:
        row = getattr(trigger, name)
        if row is not None and (row.tenant_id != trigger.tenant_id or row.deleted_at is not None):
            yield Problem(name, "does not exist in this tenant.", "unknown")


def _time_problems(trigger: Trigger) -> Iterator[Problem]:
    try:
        schedules.zone_of(trigger.time_zone)
    except BadSchedule as bad:
        yield Problem(bad.field, str(bad))
    for name in ("starts_at", "ends_at"):
        moment = getattr(trigger, name)
        if moment is not None and not 1970 <= moment.year < 2200:
            yield Problem(name, "must lie between 1970 and 2199.")
    if trigger.starts_at and trigger.ends_at and trigger.starts_at >= trigger.ends_at:
        yield Problem("ends_at", "must be later than starts_at.")


def _refuse_parameters(trigger: Trigger) -> None:
    """Raise ``Invalid`` where a job with the parameters of a trigger would be refused, or could not be filled in."""
    mistakes = [Problem(path, message) for path, message in substitution.mistakes(trigger.parameters, "parameters")]
    if not mistakes:
        filled = substitution.fill(trigger.parameters, {**_EXAMPLE, "trigger": trigger.name})
        wanted = jobs.Wanted(parameters=filled, priority=trigger.priority)
        mistakes = jobs.problems_of_wanted(trigger.process, wanted=wanted)
    if mistakes:
        raise Invalid("; ".join(f"{one.field}: {one.message}" for one in mistakes[:10]), problems=mistakes)


def _save(trigger: Trigger) -> None:
    try:
        with transaction.atomic():
            trigger.save()
    except IntegrityError as error:
        if "trigger_name_free" not in str(error):
            raise
        told = f"The folder has a trigger “{trigger.name}” already."
        raise Conflict(told, code="name_taken", field="name") from error
