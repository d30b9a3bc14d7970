"""What a robot measured of its machine in the last day, drawn."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from apps.core import ids
from apps.core.admin import charts
from apps.core.admin.panels import Panel
from apps.robots.models import Robot, RobotSample

SPAN: Final = timedelta(hours=24)
STEP: Final = timedelta(minutes=10)
MEASURED: Final = {
    "cpu": ("Processors", "{:.0%}".format),
    "memory": ("Memory", "{:.0%}".format),
    "disk": ("Disk", "{:.0%}".format),
    "load": ("Load per processor", "{:.2f}".format),
}
NOTHING_TOLD: Final = (
    "It has told nothing of its machine in this time. bv-robot does once a minute while it runs; older runners tell "
    "nothing."
)


def panel(robot: Robot) -> Panel:
    """Return the charts of the last day: one query, whatever they show."""
    axis = charts.Axis.until_now(SPAN, STEP)
    since = ids.first_id_at(axis.begins)
    samples = RobotSample.objects.filter(robot_id=robot.pk, pk__gte=since).order_by("pk")
    rows = [(ids.made_at(row.pop("pk")), row) for row in samples.values("pk", *MEASURED)]
    drawn = [
        charts.draw(title, axis.means((at, row[name]) for at, row in rows), top=1, shown=shown)
        for name, (title, shown) in MEASURED.items()
    ]
    context = {"charts": [one for one in drawn if one], "marks": axis.marks, "empty": NOTHING_TOLD}
    return Panel("Its machine in the last 24 hours", charts.TEMPLATE, context, icon="monitoring")
