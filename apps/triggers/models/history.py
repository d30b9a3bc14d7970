"""What a queue trigger would have done in the last day, had it been there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Avg, F

from apps.queues.models import ItemStatus, Queue, QueueItem
from apps.triggers.rules import demand, dry_runs
from apps.triggers.rules.demand import Step

A_DAY = timedelta(hours=24)
MOST_ITEMS = 20_000
"""Of more items than that, the newest are played."""


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
