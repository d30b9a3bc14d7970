"""Following the rules of time zones: they change while the next times of triggers stand in their rows."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery

from apps.core import statements
from apps.core.actors import Actor
from apps.events.rules import insert_sql
from apps.rbac import services as rbac
from apps.triggers.models import Firing, Trigger, TriggerKind
from apps.triggers.services import _clock
from apps.triggers.services.firing import BATCH

log = structlog.get_logger(__name__)

_NEWEST_FIRING = Firing.objects.filter(trigger=OuterRef("pk")).order_by("-due_at").values("due_at")[:1]
_TELL = insert_sql(
    "trigger.moved",
    kind="trigger",
    source="moved",
    data="jsonb_build_object('before', moved.before, 'after', moved.after)",
)
_MOVE = f"""
    WITH moved AS (
        UPDATE triggers_trigger t SET next_fire_at = d.after
        FROM jsonb_to_recordset(%(rows)s::jsonb) AS d (id uuid, before timestamptz, after timestamptz)
        WHERE t.id = d.id RETURNING t.id, t.tenant_id, t.folder_id, d.before, d.after)
    {_TELL}
"""


@transaction.atomic
def follow_zone_rules(
    *, actor: Actor, beyond: UUID | None = None, at: datetime | None = None, limit: int = BATCH
) -> UUID | None:
    """Work out anew when up to ``limit`` triggers with cron expressions are due next, and move those that differ.

    Returns the last trigger looked at, ``beyond`` which the next call goes on; ``None`` where there are no more. Those
    that are due, or mean nothing any more, are left to the engine. ``at`` is now, by default by the database's clock.
    """
    rbac.require(actor, "triggers.fire_trigger", rbac.EVERYWHERE)
    now = at or _clock.now()
    looked_at = list(_awaited(now).filter(**{"pk__gt": beyond} if beyond else {}).order_by("pk")[:limit])
    stale = [trigger.pk for trigger in looked_at if _is_stale(trigger, now)]
    if stale:
        held = _awaited(now).filter(pk__in=stale).select_for_update(of=("self",), skip_locked=True)
        _move([trigger for trigger in held if _is_stale(trigger, now)], now)
    return looked_at[-1].pk if looked_at else None


def _awaited(now: datetime) -> QuerySet[Trigger]:
    """Return the triggers that wait for a time by the clocks of their zone, with their newest settled time."""
    on = Trigger.objects.alive().filter(kind=TriggerKind.TIME, enabled=True, broken="", next_fire_at__gt=now)
    return on.filter(configuration__has_key="cron").annotate(newest_firing=Subquery(_NEWEST_FIRING))


def _is_stale(trigger: Trigger, now: datetime) -> bool:
    try:
        return _next_of(trigger, now) != trigger.next_fire_at
    except (ValueError, TypeError, LookupError, ArithmeticError) as error:
        log.warning("trigger_not_followed", trigger=str(trigger.pk), error=repr(error))
        return False


def _next_of(trigger: Any, now: datetime) -> datetime | None:
    # Where the server's clock was put back, times after now are settled already.
    since = max(now, trigger.newest_firing or now)
    return next(trigger.schedule().after(since), None)


def _move(triggers: list[Trigger], now: datetime) -> None:
    rows = [{"id": one.pk, "before": one.next_fire_at, "after": _next_of(one, now)} for one in triggers]
    statements.execute(_MOVE, {"rows": json.dumps(rows, cls=DjangoJSONEncoder)})
