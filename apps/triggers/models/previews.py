"""What a trigger is going to do, said before it is saved."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from apps.core.errors import Invalid, Problem
from apps.triggers.models.calendars import Calendar
from apps.triggers.models.triggers import Trigger, TriggerKind
from apps.triggers.rules import demand, previews, schedules
from apps.triggers.rules.demand import BadWishes
from apps.triggers.rules.previews import Plan, Preview, Silent
from apps.triggers.rules.schedules import BadSchedule

MOST_TIMES = 100


def preview_of(
    configuration: Mapping[str, Any],
    *,
    kind: str = TriggerKind.TIME,
    time_zone: str = "UTC",
    viewer_zone: str = "UTC",
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    calendar: Calendar | None = None,
    anchor: datetime | None = None,
    now: datetime | None = None,
    count: int = 20,
) -> Preview:
    """Return what a trigger with these fields is going to do: words, the next ``count`` due times, warnings.

    ``anchor`` is where intervals count from that have no start: when the trigger was made. A queue trigger has words
    alone. Raises ``Invalid`` naming each wrong field.
    """
    if kind == TriggerKind.QUEUE:
        return Preview(_words_of_queue(configuration))
    for name, moment in (("starts_at", starts_at), ("ends_at", ends_at)):
        if moment is not None and not 1970 <= moment.year < 2200:
            raise Invalid.field(name, "must lie between 1970 and 2199.")
    if starts_at is not None and ends_at is not None and starts_at >= ends_at:
        raise Invalid.field("ends_at", "must be later than starts_at.")
    start = now or datetime.now(UTC)
    known = starts_at or anchor
    try:
        schedule = schedules.parse(configuration, zone=time_zone, anchor=known or start)
        plan = Plan(
            schedule,
            schedules.Between(schedule, starts_at, ends_at),
            start,
            zone=schedules.zone_of(time_zone),
            viewer_zone=_viewer_zone(viewer_zone),
            is_anchored=known is not None,
            calendar=_silent(calendar) if calendar is not None else None,
        )
    except BadSchedule as bad:
        raise Invalid.field(bad.field, str(bad)) from bad
    return previews.of(plan, count=min(count, MOST_TIMES))


def preview_of_trigger(
    trigger: Trigger, *, viewer_zone: str = "UTC", now: datetime | None = None, count: int = 20
) -> Preview:
    """Return what a trigger that is there is going to do. Raises ``Invalid`` where it is broken."""
    return preview_of(
        trigger.configuration,
        kind=trigger.kind,
        time_zone=trigger.time_zone,
        viewer_zone=viewer_zone,
        starts_at=trigger.starts_at,
        ends_at=trigger.ends_at,
        calendar=trigger.calendar,
        anchor=trigger.anchor,
        now=now,
        count=count,
    )


def _words_of_queue(configuration: Mapping[str, Any]) -> str:
    try:
        return demand.in_words(demand.read(configuration))
    except BadWishes as bad:
        problems = [Problem(f"configuration.{name}", message) for name, message in bad.problems]
        raise Invalid(str(bad), problems=problems) from bad


def _viewer_zone(name: str) -> ZoneInfo:
    try:
        return schedules.zone_of(name)
    except BadSchedule as bad:
        raise BadSchedule("viewer_zone", str(bad)) from bad


def _silent(calendar: Calendar) -> Silent:
    rules = [rule.silence() for rule in calendar.rules.order_by("pk")]
    return Silent(calendar.name, rules, schedules.zone_of(calendar.time_zone))
