"""Taking many robots out of work, or back into it, by a few statements however many they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import models, transaction
from django.utils import timezone

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Invalid
from apps.events import services as events
from apps.rbac import services as rbac
from apps.robots.models import Robot, RobotQuerySet
from apps.robots.services import _waking
from apps.tenancy.models import Tenant, TenantStatus

#: So many robots are changed at once; the caller asks again for the rest.
MOST_ROBOTS: Final = 1000
_NO_MAINTENANCE: Final = {"maintenance": False, "maintenance_reason": "", "maintenance_until": None}


class RobotChange(models.TextChoices):
    """What can be done to many robots at once, with the word that events and audit entries have for it."""

    DRAIN = "drain", "drained"
    UNDRAIN = "undrain", "undrained"
    START_MAINTENANCE = "start-maintenance", "maintenance_started"
    END_MAINTENANCE = "end-maintenance", "maintenance_ended"


@transaction.atomic
def change_robots(
    robots: RobotQuerySet, *, actor: Actor, change: RobotChange, reason: str = "", until: datetime | None = None
) -> list[UUID]:
    """Do ``change`` to those of ``robots`` that the actor may change, and return the ids of all those.

    Whatever is so already stays as it is and is not told of. Each robot that changed gets an event and an audit entry,
    each tenant concerned an entry with the names of all. ``reason`` and ``until`` are for maintenance. Raises
    ``Invalid``, also for too many robots.
    """
    rbac.require(actor, "robots.change_robot", None)
    columns = _columns(change, reason, until)
    mine = rbac.visible(robots.alive().filter(tenant__status=TenantStatus.ACTIVE), actor, "robots.change_robot")
    held = Robot.objects.select_for_update().filter(pk__in=mine.order_by().values("pk")).order_by("pk")
    rows = list(held[: MOST_ROBOTS + 1])
    if len(rows) > MOST_ROBOTS:
        raise Invalid(f"These are more than {MOST_ROBOTS} robots. Name fewer at once.", code="too_many")
    changing = [row for row in rows if any(getattr(row, name) != value for name, value in columns.items())]
    named = Robot.objects.filter(pk__in=[row.pk for row in changing])
    named.update(**columns)
    events.record_each("robot.changed", named, data={"action": f"robot.{change.label}"})
    _waking.call_robots([row.pk for row in changing])
    _write_down(changing, actor=actor, change=change, columns=columns, reason=reason)
    return [row.pk for row in rows]


def _columns(change: RobotChange, reason: str, until: datetime | None) -> dict[str, Any]:
    """Return the columns that ``change`` sets, and their values. Raises ``Invalid``."""
    if change != RobotChange.START_MAINTENANCE:
        if until is not None:
            raise Invalid.field("until", "name it for maintenance only.")
        draining = {RobotChange.DRAIN: True, RobotChange.UNDRAIN: False}
        return {"draining": draining[change]} if change in draining else dict(_NO_MAINTENANCE)
    if not reason.strip():
        raise Invalid.field("reason", "say why, so that others know.")
    if until is not None and until <= timezone.now():
        raise Invalid.field("until", "choose a moment in the future, or none.")
    return {"maintenance": True, "maintenance_reason": reason.strip(), "maintenance_until": until}


def _write_down(
    changed: Sequence[Robot], *, actor: Actor, change: RobotChange, columns: dict[str, Any], reason: str
) -> None:
    by_tenant: dict[UUID, list[Robot]] = defaultdict(list)
    for row in changed:
        by_tenant[row.tenant_id].append(row)
    for tenant in Tenant.objects.filter(pk__in=by_tenant).order_by("pk"):
        names = sorted(row.name for row in by_tenant[tenant.pk])
        facts = {"count": len(names), "robots": names, **columns}
        audit.record(actor, f"robots.{change.label}", tenant, after=facts, reason=reason, tenant_id=tenant.pk)
    each = [(row, {name: getattr(row, name) for name in columns}, columns) for row in changed]
    audit.record_each(actor, f"robot.{change.label}", each, reason=reason)
