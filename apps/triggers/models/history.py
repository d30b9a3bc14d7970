"""What a trigger would have done in the last day, had it been there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from django.db.models import Avg, F

from apps.core.errors import Invalid
from apps.queues.models import ItemStatus, Queue, QueueItem
from apps.triggers.models.triggers import Trigger, TriggerKind
from apps.triggers.rules import demand, dry_runs, schedules
from apps.triggers.rules.demand import Step
from apps.triggers.rules.schedules import Interval, Schedule
from apps.triggers.rules.silences import silence_at, touching

A_DAY = timedelta(hours=24)
MOST_ITEMS = 20_000
"""Of more items than that, the newest are played."""


@dataclass(frozen=True, slots=True)
class DryStep:
    """A moment of the last day at which a trigger would have made jobs, or why it would not have."""

    at: datetime
    jobs: int
    because: str
    facts: Mapping[str, Any] = field(default_factory=dict)


def dry_run_of(trigger: Trigger, *, until: datetime) -> list[DryStep]:
    """Return what a trigger, as it is now, would have done in the day before a moment, in order.

    Whether jobs of before had ended, brakes and limits are left out of account. Raises ``Invalid`` where it is broken.
    """
    try:
        if trigger.kind == TriggerKind.QUEUE and trigger.queue is not None:
            steps = last_day(trigger.queue, trigger.configuration, until=until)
            return [DryStep(one.at, one.demand.start, one.demand.because, asdict(one.level)) for one in steps]
        return list(_due_in_last_day(trigger, until))[::-1]
    except (ValueError, TypeError, LookupError) as error:
        raise Invalid.field("configuration", f"it means nothing any more: {error}") from error


def _due_in_last_day(trigger: Trigger, until: datetime) -> Iterator[DryStep]:
    """Yield the due times of the day before a moment, the latest first."""
    schedule = _as_if_older(schedules.read(trigger.configuration, zone=trigger.time_zone, anchor=trigger.anchor))
    calendar = trigger.calendar
    rules = calendar.rules.order_by("pk") if calendar is not None else []
    zone = schedules.zone_of(calendar.time_zone if calendar is not None else trigger.time_zone)
    silences = touching((rule.silence() for rule in rules), until - A_DAY, until, zone)
    for at in takewhile(lambda moment: moment >= until - A_DAY, schedule.before(until)):
        found = silence_at(silences, at, zone)
        told = f"The calendar “{calendar}” is silent then: {found.label}." if found is not None else "It was due."
        yield DryStep(at, 0 if found is not None else 1, told)


def _as_if_older(schedule: Schedule) -> Schedule:
    """Return an interval as if it had counted for a day longer: it may have been made a minute ago."""
    if not isinstance(schedule, Interval):
        return schedule
    further = A_DAY // timedelta(seconds=schedule.seconds) + 1
    return replace(schedule, anchor=schedule.anchor - timedelta(seconds=schedule.seconds * further))


def last_day(queue: Queue, configuration: Mapping[str, Any], *, until: datetime) -> list[Step]:
    """Return when a trigger of this configuration would have started jobs in the day before. Raises ``BadWishes``."""
    wishes, start = demand.read(configuration), until - A_DAY
    items = QueueItem.objects.alive().filter(queue=queue)
    came = items.filter(available_at__gte=start, available_at__lt=until).order_by("-available_at")
    arrivals = list(came.values_list("available_at", flat=True)[:MOST_ITEMS])
    done = items.filter(status=ItemStatus.DONE, finished_at__gte=start, taken_at__isnull=False)
    pace: timedelta | None = done.aggregate(pace=Avg(F("finished_at") - F("taken_at")))["pace"]
    seconds = pace.total_seconds() if pace else None
    return dry_runs.dry_run(arrivals, wishes, start=start, end=until, seconds_per_item=seconds)
