"""What robots measure, kept once a minute for the charts of their pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from apps.core import ids, statements

#: No robot leaves more than one sample in so long a time, however often it brings one.
SAMPLE_EVERY = timedelta(seconds=50)
#: The metrics that are kept.
KEPT = ("cpu", "memory", "disk", "disk_free", "load")

_STORE = """
    INSERT INTO robots_robotsample (id, tenant_id, robot_id, cpu, memory, disk, disk_free, load)
    SELECT %(id)s::uuid, %(tenant)s::uuid, %(robot)s::uuid, %(cpu)s::float, %(memory)s::float, %(disk)s::float,
        %(disk_free)s::bigint, %(load)s::float
    WHERE NOT EXISTS (SELECT 1 FROM robots_robotsample WHERE robot_id = %(robot)s::uuid AND id > %(since)s::uuid)
"""


def store(robot_id: UUID, tenant_id: UUID, metrics: dict[str, Any]) -> None:
    """Keep a sample by one statement, unless the robot left one a moment ago or measured nothing that is kept."""
    measured = {name: metrics.get(name) for name in KEPT}
    if all(value is None for value in measured.values()):
        return
    facts = {"id": ids.uuid7(), "tenant": tenant_id, "robot": robot_id, **measured}
    statements.execute(_STORE, facts | {"since": ids.first_id_at(timezone.now() - SAMPLE_EVERY)})
