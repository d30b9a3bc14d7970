"""How many items came to a queue and how many ended, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from math import ceil
from typing import Final

from apps.core.admin import charts, display
from apps.core.admin.panels import Panel
from apps.queues.models import Queue
from apps.queues.models.statistics import MOST_ENDED, Flow, flow_of

#: How far back charts go, and in which steps: the first span of which nothing is missing.
SPANS: Final = (
    (timedelta(hours=24), timedelta(minutes=30), "24 hours"),
    (timedelta(hours=6), timedelta(minutes=10), "6 hours"),
    (timedelta(hours=1), timedelta(minutes=1), "hour"),
)


def panel(queue: Queue) -> Panel:
    """Return the charts of arrivals and ends, on one scale."""
    flow = flow_of(queue)
    axis, span = _axis_of(flow)
    sides = [("Came in", _series(flow.arrived, axis, flow)), ("Ended", _series(flow.ended, axis, flow))]
    most = max((value for _, series in sides for value in series if value), default=0)
    drawn = [_drawn(title, series, most) for title, series in sides] if most else []
    context = {
        "charts": [one for one in drawn if one],
        "marks": axis.marks,
        "note": f"Items every {display.length(axis.step)}, each try counted." + _short_of(span),
        "empty": "No item came or ended in the last 24 hours.",
    }
    return Panel(f"Items in the last {span}", charts.TEMPLATE, context, icon="monitoring")


def _drawn(title: str, series: charts.Series, most: float) -> charts.Chart | None:
    """Return a line with the sum beside its title."""
    chart = charts.draw(title, series, top=_even(most), shown=_shown)
    return chart and replace(chart, now=_shown(sum(value for value in series if value)))


def _axis_of(flow: Flow) -> tuple[charts.Axis, str]:
    """Return the time to draw, and what it is called."""
    axes = [(charts.Axis.until_now(span, step), words) for span, step, words in SPANS]
    return next(((axis, words) for axis, words in axes if axis.begins + axis.step >= flow.since), axes[-1])


def _series(counts: Sequence[tuple[datetime, int]], axis: charts.Axis, flow: Flow) -> charts.Series:
    """Return what was counted in each step; nothing is said of steps that were not looked at as a whole."""
    sums = axis.sums(counts)
    return [value if axis.begins + axis.step * (place + 1) > flow.since else None for place, value in enumerate(sums)]


def _even(value: float) -> float:
    """Return the top of the scale: a whole number with a whole half."""
    return max(2, 2 * ceil(value / 2))


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


def _short_of(span: str) -> str:
    is_day = span == SPANS[0][-1]
    return "" if is_day else f" More came in a day than the {MOST_ENDED:,} newest, which are looked at."
