"""The simulator: what a trigger would have done in the last 24 hours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, Final

from django.utils import timezone

from apps.core.admin import charts, display
from apps.core.admin.charts import Axis
from apps.core.admin.display import Tone
from apps.core.admin.panels import AnyPanel, Facts, Panel, Table, Text
from apps.core.errors import Invalid
from apps.queues.models import Queue
from apps.triggers.models import Trigger, TriggerKind
from apps.triggers.models.history import A_DAY, last_day
from apps.triggers.rules import schedules
from apps.triggers.rules.demand import BadWishes
from apps.triggers.rules.schedules import BadSchedule
from apps.triggers.rules.silences import silence_at

TITLE: Final = "What it would have done in the last 24 hours"
STEP: Final = timedelta(minutes=30)
#: So many of the times, newest first, are told one by one.
ROWS_SHOWN: Final = 25
#: No more due times are looked at: every five seconds for a day.
MOST_TIMES: Final = 17_280


def panels_of(trigger: Trigger) -> list[AnyPanel]:
    """Return what a trigger would have done as it is now. Raises ``Invalid`` where its configuration means nothing."""
    if trigger.kind == TriggerKind.QUEUE and trigger.queue is not None:
        return panels_of_queue(trigger.queue, trigger.configuration)
    return _panels_of_time(trigger)


def panels_of_queue(queue: Queue, configuration: Mapping[str, Any]) -> list[AnyPanel]:
    """Return what a trigger of a configuration would have started for a queue. Raises ``Invalid``."""
    try:
        steps = last_day(queue, configuration, until=timezone.now())
    except BadWishes as bad:
        raise Invalid(str(bad)) from bad
    axis = Axis.until_now(A_DAY, STEP)
    jobs = sum(step.demand.start for step in steps)
    rows = [
        [display.moment(step.at), step.demand.start, step.level.waiting, step.level.live, step.demand.because]
        for step in reversed(steps[-ROWS_SHOWN:])
    ]
    lines = [
        charts.draw(
            "Jobs started",
            _sums(axis, ((step.at, float(step.demand.start)) for step in steps)),
            top=1,
            shown="{:g}".format,
        ),
        charts.draw(
            "Items waiting at a start",
            _highest(axis, ((step.at, float(step.level.waiting)) for step in steps)),
            top=1,
            shown="{:g}".format,
        ),
    ]
    facts = [("Jobs it would have started", jobs), ("In so many starts", len(steps))]
    return [
        *_drawn(facts, lines if steps else [], axis, "It would have started nothing: no items came that wanted a job."),
        Table("Its last starts", ["At", "Jobs", "Waiting", "Going on", "Formula"], rows, "None.", icon="calculate"),
    ]


def _panels_of_time(trigger: Trigger) -> list[AnyPanel]:
    now = timezone.now()
    try:
        due = list(_due(trigger, now))
        silent = _silent(trigger, due)
    except BadSchedule as bad:
        raise Invalid(str(bad)) from bad
    axis = Axis.until_now(A_DAY, STEP)
    fired = [(at, 1.0) for at in due if at not in silent]
    rows = [[display.moment(at), _verdict(silent.get(at)), silent.get(at, display.NOTHING)] for at in due[:ROWS_SHOWN]]
    lines = [charts.draw("Times it would have fired", _sums(axis, fired), top=1, shown="{:g}".format)]
    facts = [("Times it was due", len(due)), ("Silent by its calendar", len(silent))]
    return [
        *_drawn(facts, lines if due else [], axis, "It would not have been due at all."),
        Table("The last of them", ["Due", "It would have", "Why"], rows, "None.", icon="alarm"),
    ]


def _due(trigger: Trigger, now: datetime) -> Iterator[datetime]:
    """Yield the due times of the last day, latest first, whenever the trigger was made."""
    schedule = schedules.read(trigger.configuration, zone=trigger.time_zone, anchor=min(trigger.anchor, now - A_DAY))
    found = takewhile(lambda at: at > now - A_DAY, schedule.before(now))
    for _, at in zip(range(MOST_TIMES), found, strict=False):
        yield at


def _silent(trigger: Trigger, due: Sequence[datetime]) -> dict[datetime, str]:
    if trigger.calendar is None:
        return {}
    zone = schedules.zone_of(trigger.calendar.time_zone)
    silences = [rule.silence() for rule in trigger.calendar.rules.order_by("pk")]
    found = ((at, silence_at(silences, at, zone)) for at in due)
    return {at: silence.label for at, silence in found if silence is not None}


def _verdict(silent: str | None) -> Any:
    return display.badge("fired", Tone.GOOD) if silent is None else display.badge("stayed silent", Tone.CARE)


def _drawn(
    facts: Sequence[tuple[str, Any]], lines: Sequence[charts.Chart | None], axis: Axis, empty: str
) -> Iterator[AnyPanel]:
    """Return the sums and the lines, or what to say where there is nothing to draw."""
    drawn = [one for one in lines if one is not None]
    if not drawn:
        yield Text(TITLE, "", empty, icon="science")
        return
    yield Facts("In sum", facts, icon="functions")
    yield Panel(TITLE, charts.TEMPLATE, {"charts": drawn, "marks": axis.marks, "empty": empty}, icon="science")


def _sums(axis: Axis, values: Iterable[tuple[datetime, float]]) -> list[float]:
    """Return the sum of what lies in each step of the axis."""
    found = [0.0] * axis.steps
    for place, value in _placed(axis, values):
        found[place] += value
    return found


def _highest(axis: Axis, values: Iterable[tuple[datetime, float]]) -> list[float]:
    """Return the highest of what lies in each step of the axis."""
    found = [0.0] * axis.steps
    for place, value in _placed(axis, values):
        found[place] = max(found[place], value)
    return found


def _placed(axis: Axis, values: Iterable[tuple[datetime, float]]) -> Iterator[tuple[int, float]]:
    for at, value in values:
        place = (at - axis.begins) // axis.step
        if 0 <= place < axis.steps:
            yield place, value
