"""Limits that processes share: making and changing them, and saying who uses how much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.columns import refuse_unfit
from apps.core.errors import Conflict, Invalid, Problem
from apps.events import services as events
from apps.processes.models import NamedLimit, Process, ProcessLimit
from apps.rbac import services as rbac
from apps.tenancy.models import Folder


@transaction.atomic
def create_limit(
    folder: Folder,
    *,
    actor: Actor,
    name: str,
    capacity: int = 1,
    description: str = "",
    units: Mapping[Process, int] | None = None,
) -> NamedLimit:
    """Make something that several processes share and that bears only so much at once.

    ``units`` says how much each running job of a process uses. Raises ``Invalid``, ``Conflict`` for a taken name.
    """
    rbac.require(actor, "processes.add_namedlimit", folder)
    limit = NamedLimit(folder=folder, tenant_id=folder.tenant_id, name=name.strip())
    _fill(limit, {"capacity": capacity, "description": description})
    _save(limit)
    _set_units(limit, units or {}, actor)
    audit.record(actor, "limit.created", limit, after=_facts(limit))
    events.record("limit.created", limit)
    return limit


@transaction.atomic
def update_limit(
    limit: NamedLimit, *, actor: Actor, units: Mapping[Process, int] | None = None, **fields: Any
) -> NamedLimit:
    """Change name, capacity or description, and who uses how much (``None`` leaves that); what runs goes on."""
    rbac.require(actor, "processes.change_namedlimit", limit)
    return _change(limit, actor, units, fields)


@transaction.atomic
def share_limit(limit: NamedLimit, *, actor: Actor, process: Process, units: int = 1) -> NamedLimit:
    """Have each running job of a process use so many units of a limit. Raises ``Invalid``."""
    rbac.require(actor, "processes.change_namedlimit", limit)
    return _change(limit, actor, _units(limit) | {process: units}, {})


@transaction.atomic
def unshare_limit(limit: NamedLimit, *, actor: Actor, process: Process) -> NamedLimit:
    """Have the jobs of a process use nothing of a limit any more."""
    rbac.require(actor, "processes.change_namedlimit", limit)
    rest = {one: units for one, units in _units(limit).items() if one.pk != process.pk}
    return _change(limit, actor, rest, {})


@transaction.atomic
def delete_limit(limit: NamedLimit, *, actor: Actor) -> None:
    """Take a limit away: the processes that shared it are not held by it any more."""
    rbac.require(actor, "processes.delete_namedlimit", limit)
    NamedLimit.objects.filter(pk=limit.pk).update(deleted_at=Now())
    audit.record(actor, "limit.deleted", limit, before=_facts(limit))
    events.record("limit.deleted", limit)


def _change(
    limit: NamedLimit, actor: Actor, units: Mapping[Process, int] | None, fields: Mapping[str, Any]
) -> NamedLimit:
    limit.refresh_from_db(from_queryset=NamedLimit.objects.select_for_update(of=("self",)))
    before = _facts(limit)
    _fill(limit, fields)
    _save(limit)
    if units is not None:
        _set_units(limit, units, actor)
    elif limit.process_limits.filter(units__gt=limit.capacity).exists():
        raise Invalid.field("capacity", "a process uses more than that for each job: its jobs would never start.")
    audit.record(actor, "limit.updated", limit, before=before, after=_facts(limit))
    events.record("limit.updated", limit)
    return limit


def _fill(limit: NamedLimit, fields: Mapping[str, Any]) -> None:
    if unknown := set(fields) - {"name", "capacity", "description"}:
        raise Invalid("Unknown fields.", problems=[Problem(name, "is not a field.") for name in sorted(unknown)])
    for name, value in fields.items():
        setattr(limit, name, value)
    refuse_unfit(limit, "name", "capacity", "description")


def _save(limit: NamedLimit) -> None:
    try:
        with transaction.atomic():
            limit.save()
    except IntegrityError as error:
        if "namedlimit_name_free" not in str(error):
            raise
        raise Conflict(f"The folder has a limit “{limit.name}” already.", code="name_taken", field="name") from error


def _set_units(limit: NamedLimit, units: Mapping[Process, int], actor: Actor) -> None:
    """Say which processes use how much. Holding a process back takes the right to change it."""
    for process, count in units.items():
        if process.tenant_id != limit.tenant_id or process.deleted_at is not None:
            raise Invalid.field("processes", "name processes of this tenant that still exist.", code="unknown")
        if not 1 <= count <= limit.capacity:
            told = f"“{process.name}” must use between 1 and {limit.capacity} units, or its jobs would never start."
            raise Invalid.field("processes", told)
    known = dict(limit.process_limits.values_list("process_id", "units"))
    for process, count in units.items():
        if known.get(process.pk) != count:
            rbac.require(actor, "processes.change_process", process)
    limit.process_limits.exclude(process__in=units).delete()
    ProcessLimit.objects.bulk_create(
        [
            ProcessLimit(tenant_id=limit.tenant_id, limit=limit, process=one, units=count)
            for one, count in units.items()
        ],
        update_conflicts=True,
        unique_fields=["process", "limit"],
        update_fields=["units"],
    )


def _units(limit: NamedLimit) -> dict[Process, int]:
    return {one.process: one.units for one in limit.process_limits.select_related("process")}


def _facts(limit: NamedLimit) -> dict[str, Any]:
    units = limit.process_limits.values_list("process__name", "units")
    return {"name": limit.name, "capacity": limit.capacity, "processes": dict(units)}
