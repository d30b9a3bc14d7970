"""What the decisions about many triggers are taken by beside their schedules, read for all of them at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count

from apps.core import statements
from apps.jobs.models import Job
from apps.tenancy.models import Brake, TenantStatus
from apps.triggers.models import CalendarRule, Firing, Overlap, Trigger
from apps.triggers.rules import schedules
from apps.triggers.rules.silences import Silence, silence_at

_DECIDED = """
    SELECT f.trigger_id, f.due_at FROM triggers_firing f
    JOIN unnest(%(triggers)s::uuid[], %(times)s::timestamptz[]) AS due (trigger_id, due_at) USING (trigger_id, due_at)
"""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """How things are around some triggers."""

    live: Mapping[UUID, int]
    """How many of a trigger's jobs have not ended."""
    waiting: frozenset[UUID]
    """The triggers of which a time waits for a job to end."""
    brakes: Sequence[Brake]
    silences: Mapping[UUID, Sequence[Silence]]
    """Of each calendar."""

    def held_by(self, trigger: Trigger) -> str:
        """Say why no trigger fires there now; empty where nothing holds it."""
        if trigger.tenant.status == TenantStatus.SUSPENDED:
            return "The tenant is suspended."
        brake = next((brake for brake in self.brakes if _reaches(brake, trigger)), None)
        return f"Held by the {brake}: {brake.reason}" if brake is not None else ""

    def silent_at(self, trigger: Trigger, moment: datetime) -> str:
        """Say why a trigger stays silent at a moment; empty where its calendar, if any, says nothing."""
        if trigger.calendar is None:
            return ""
        zone = schedules.zone_of(trigger.calendar.time_zone)
        found = silence_at(self.silences.get(trigger.calendar.pk, ()), moment, zone)
        return f"The calendar “{trigger.calendar}” is silent then: {found.label}." if found is not None else ""


def read(triggers: Sequence[Trigger]) -> Surroundings:
    """Return how things are around triggers that were read with their folders, tenants and calendars."""
    keys = [trigger.pk for trigger in triggers]
    waiting = Firing.objects.waiting().filter(trigger__in=keys).values_list("trigger_id", flat=True)
    going = Job.objects.going_on_of(keys).order_by().values_list("trigger_id")
    live = {key: count for key, count in going.annotate(count=Count("pk")) if key is not None}
    brakes = Brake.objects.on().filter(holds_triggers=True).select_related("tenant", "folder")
    calendars = {trigger.calendar_id for trigger in triggers if trigger.calendar_id is not None}
    return Surroundings(live, frozenset(waiting), list(brakes), _silences(calendars))


def decided(due: Iterable[tuple[UUID, datetime]]) -> set[tuple[UUID, datetime]]:
    """Return which due times have a firing already, as after a clock was put back."""
    pairs = list(due)
    if not pairs:
        return set()
    asked = {"triggers": statements.array(key for key, _ in pairs), "times": [at for _, at in pairs]}
    return {(key, at) for key, at in statements.fetch(_DECIDED, asked)}


def going_on(triggers: Iterable[Trigger]) -> dict[UUID, list[UUID]]:
    """Return the unfinished jobs of those triggers that cancel what goes on before they start anew."""
    keys = [trigger.pk for trigger in triggers if trigger.overlap == Overlap.CANCEL_PREVIOUS]
    found: dict[UUID, list[UUID]] = defaultdict(list)
    for trigger_id, job_id in Job.objects.going_on_of(keys).values_list("trigger_id", "pk") if keys else ():
        if trigger_id is not None:
            found[trigger_id].append(job_id)
    return dict(found)


def _silences(calendars: Iterable[UUID]) -> dict[UUID, list[Silence]]:
    found = defaultdict(list)
    for rule in CalendarRule.objects.filter(calendar__in=calendars).order_by("pk") if calendars else ():
        found[rule.calendar_id].append(rule.silence())
    return dict(found)


def _reaches(brake: Brake, trigger: Trigger) -> bool:
    if brake.tenant_id is None:
        return True
    if brake.folder is None:
        return brake.tenant_id == trigger.tenant_id
    return trigger.folder.path.startswith(brake.folder.path)
