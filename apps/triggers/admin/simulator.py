"""The simulator: what a trigger would have done in the last 24 hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from django.utils import timezone

from apps.core.admin import charts, display
from apps.core.admin.charts import Axis
from apps.core.admin.display import Tone
from apps.core.admin.panels import AnyPanel, Facts, Panel, Table, Text
from apps.triggers.models import Trigger, TriggerKind
from apps.triggers.models.history import A_DAY, DryStep, dry_run_of

TITLE: Final = "What it would have done in the last 24 hours"
STEP: Final = timedelta(minutes=30)
#: So many of the times, newest first, are told one by one.
ROWS_SHOWN: Final = 25
_LEFT_OUT: Final = "Brakes, limits and jobs that still went on are left out of account."


def panels_of(trigger: Trigger) -> list[AnyPanel]:
    """Return what a trigger, saved or not, would have done. Raises ``Invalid`` where it is broken."""
    steps = dry_run_of(trigger, until=timezone.now())
    if not steps:
        empty = "Nothing: no items came that wanted a job." if _is_of_queue(trigger) else "It would not have been due."
        return [Text(TITLE, "", empty, icon="science")]
    return [_sums(trigger, steps), _lines(trigger, steps), _last(trigger, steps)]


def _sums(trigger: Trigger, steps: Sequence[DryStep]) -> Facts:
    jobs = sum(step.jobs for step in steps)
    if _is_of_queue(trigger):
        return Facts(
            "In sum", [("Jobs it would have started", jobs), ("In so many starts", len(steps))], icon="functions"
        )
    silent = sum(1 for step in steps if not step.jobs)
    return Facts("In sum", [("Times it would have fired", jobs), ("Silent by its calendar", silent)], icon="functions")


def _lines(trigger: Trigger, steps: Sequence[DryStep]) -> Panel:
    axis = Axis.until_now(A_DAY, STEP)
    title = "Jobs started in half an hour" if _is_of_queue(trigger) else "Times fired in half an hour"
    lines = [charts.draw(title, axis.sums((step.at, step.jobs) for step in steps), top=1, shown="{:g}".format)]
    if _is_of_queue(trigger):
        waiting = [(step.at, float(step.facts.get("waiting", 0))) for step in steps]
        means = [value or 0.0 for value in axis.means(waiting)]
        lines.append(charts.draw("Items waiting when it started some", means, top=1, shown="{:g}".format))
    drawn = {"charts": [one for one in lines if one is not None], "marks": axis.marks, "note": _LEFT_OUT}
    return Panel(TITLE, charts.TEMPLATE, drawn, icon="science")


def _last(trigger: Trigger, steps: Sequence[DryStep]) -> Table:
    newest = list(reversed(steps[-ROWS_SHOWN:]))
    if _is_of_queue(trigger):
        rows: list[list[Any]] = [
            [display.moment(step.at), step.jobs, step.facts.get("waiting"), step.facts.get("live"), step.because]
            for step in newest
        ]
        return Table("Its last starts", ["At", "Jobs", "Waiting", "Going on", "Formula"], rows, icon="calculate")
    rows = [[display.moment(step.at), _verdict(step), step.because] for step in newest]
    return Table("The last of them", ["Due", "It would have", "Why"], rows, icon="alarm")


def _verdict(step: DryStep) -> Any:
    return display.badge("fired", Tone.GOOD) if step.jobs else display.badge("stayed silent", Tone.CARE)


def _is_of_queue(trigger: Trigger) -> bool:
    return trigger.kind == TriggerKind.QUEUE
