"""How things are with a queue now, for a trigger that is not there yet."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Avg, Count, F, Min

from apps.queues.models import ItemStatus, Queue, QueueItem
from apps.triggers.rules.demand import Level

#: More waiting items are not counted, and the pace is measured of so many that were done last.
MOST_COUNTED, MEASURED = 10_000, 100


def level_of(queue: Queue, *, now: datetime) -> Level:
    """Return what a trigger without jobs of its own would decide by."""
    items = QueueItem.objects.alive().filter(queue=queue)
    waiting = items.filter(status=ItemStatus.NEW, reserved_for=None, available_at__lte=now).order_by("available_at")
    told: dict[str, Any] = waiting[:MOST_COUNTED].aggregate(
        count=Count("pk"), oldest=Min("available_at"), deadline=Min("deadline")
    )
    done = items.filter(status=ItemStatus.DONE, finished_at__isnull=False).order_by("-finished_at")[:MEASURED]
    pace: Any = done.aggregate(pace=Avg(F("finished_at") - F("taken_at")))["pace"]
    return Level(
        waiting=told["count"],
        in_progress=0,
        live=0,
        oldest=(now - told["oldest"]).total_seconds() if told["oldest"] else None,
        time_left=(told["deadline"] - now).total_seconds() if told["deadline"] else None,
        seconds_per_item=pace.total_seconds() if pace else None,
    )
