"""Which items are kept no longer: all tries at a piece of work at once, once the last of them ended long ago."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from apps.core.keeping import OWN_DAYS, Keeping, choose, of_tenants

_BEFORE = "statement_timestamp() - make_interval(days => coalesce(q.retention_days, own.days, %(days)s))"
#: One that was deleted before anybody took it never ended; nobody is given it any more.
_OVER_BEFORE = f"""(
    o.finished_at < {_BEFORE}
    OR (o.finished_at IS NULL AND o.status = 'new' AND o.reserved_for IS NULL AND o.deleted_at < {_BEFORE})
)"""
#: Asked of each row by itself: NOT EXISTS would be turned into a join, for which the planner reads the whole table.
_WHOLE_LINEAGE = f"""(
    SELECT o.id FROM queues_queueitem o WHERE o.lineage = i.lineage AND {_OVER_BEFORE} IS NOT TRUE LIMIT 1) IS NULL
"""
_OLD_LINEAGES = f"""
    SELECT DISTINCT found.lineage FROM (
        SELECT each.lineage FROM queues_queue q LEFT JOIN {OWN_DAYS} ON own.tenant_id = q.tenant_id
        CROSS JOIN LATERAL (
            (SELECT i.lineage, i.id FROM queues_queueitem i
             WHERE i.queue_id = q.id AND i.finished_at < {_BEFORE}
               AND {_WHOLE_LINEAGE}
             ORDER BY i.finished_at LIMIT %(limit)s)
            UNION ALL
            (SELECT i.lineage, i.id FROM queues_queueitem i
             WHERE i.queue_id = q.id AND i.status = 'new' AND i.finished_at IS NULL AND i.reserved_for IS NULL
               AND i.deleted_at < {_BEFORE}
               AND {_WHOLE_LINEAGE}
             ORDER BY i.deleted_at LIMIT %(limit)s)) each
        LIMIT %(limit)s) found
"""
_TRIES = "SELECT id FROM queues_queueitem WHERE lineage = ANY(%(lineages)s)"
#: Whose lineage is wholly among those held, and at rest.
_AT_REST = """
    SELECT i.id FROM queues_queueitem i WHERE i.id = ANY(%(ids)s) AND NOT EXISTS (
        SELECT 1 FROM queues_queueitem o WHERE o.lineage = i.lineage
          AND (o.id <> ALL(%(ids)s) OR (o.finished_at IS NULL AND o.deleted_at IS NULL)))
"""

_OLD_CHANGES = of_tenants("queues_itembulkchange", "r.finished_at IS NOT NULL")


def old_item_changes(keeping: Keeping, limit: int) -> list[UUID]:
    """Return up to ``limit`` bulk changes of items that are over and were asked for too long ago."""
    return choose(_OLD_CHANGES, {**keeping.parameters, "limit": limit})


def old_items(keeping: Keeping, limit: int) -> list[UUID]:
    """Return the tries at up to ``limit`` pieces of work that are over for too long, by their queue or tenant."""
    lineages = choose(_OLD_LINEAGES, {**keeping.parameters, "limit": limit})
    return choose(_TRIES, {"lineages": lineages}) if lineages else []


def at_rest(items: Sequence[UUID]) -> list[UUID]:
    """Return those of some items all of whose tries are among them, and over."""
    return choose(_AT_REST, {"ids": list(items)}) if items else []
