"""Invariants of the items of queues, their leases and events."""

from __future__ import annotations

from apps.jobs.rules.invariants.invariant import Invariant

_OVER = "('done', 'failed', 'abandoned')"

#: Part of I1: what holds for jobs and executions holds for items and leases.
ONE_OPEN_LEASE = """
    SELECT item_id, 'is an item with ' || count(*) || ' open leases' FROM queues_itemlease
    WHERE closed_at IS NULL GROUP BY item_id HAVING count(*) > 1
    UNION ALL
    SELECT i.id, 'is an item in progress without an open lease' FROM queues_queueitem i
    WHERE i.status = 'in_progress'
      AND NOT EXISTS (SELECT 1 FROM queues_itemlease l WHERE l.item_id = i.id AND l.closed_at IS NULL)
    UNION ALL
    SELECT i.id, 'is an item that is ' || i.status || ' with an open lease'
    FROM queues_itemlease l JOIN queues_queueitem i ON i.id = l.item_id
    WHERE l.closed_at IS NULL AND i.status <> 'in_progress'
"""

#: Part of I16. Items are told of from their first change on; adding them is one event for all. Events of one item are
#: written under its lock, so their sequence numbers are the order in which they happened.
ITEMS_REPLAYED = f"""
    SELECT i.id, 'is an item that is ' || i.status || ' at attempt ' || i.attempt || ', but its events say '
        || r.status || ' at attempt ' || r.attempt
    FROM (
        SELECT subject_id, (array_agg(data->>'status' ORDER BY seq DESC))[1] AS status,
            (array_agg((data->>'attempt')::int ORDER BY seq DESC))[1] AS attempt
        FROM events_event WHERE subject_kind = 'queueitem' AND data->>'status' IS NOT NULL GROUP BY subject_id) r
    JOIN queues_queueitem i ON i.id = r.subject_id
    WHERE (i.status, i.attempt) IS DISTINCT FROM (r.status, r.attempt)
    UNION ALL
    SELECT subject_id, 'is an item that went from ' || before || ' to ' || status || ' by ' || type
    FROM (
        SELECT subject_id, type, data->>'status' AS status,
            lag(data->>'status') OVER (PARTITION BY subject_id ORDER BY seq) AS before
        FROM events_event WHERE subject_kind = 'queueitem' AND data->>'status' IS NOT NULL) told
    WHERE (before IN {_OVER} AND status <> before) OR (type = 'item.taken' AND before <> 'new')
"""

_WITH_ITS_EXECUTION = """
    SELECT l.id, 'is an open lease of an item under an execution that is ' || coalesce(e.status, 'nowhere')
    FROM queues_itemlease l LEFT JOIN jobs_execution e ON e.id = l.execution_id
    WHERE l.closed_at IS NULL AND l.execution_id IS NOT NULL AND e.status IS DISTINCT FROM 'running'
    UNION ALL
    SELECT i.id, 'is an item kept for a job that is ' || coalesce(j.status, 'nowhere')
    FROM queues_queueitem i LEFT JOIN jobs_job j ON j.id = i.reserved_for
    WHERE i.reserved_for IS NOT NULL AND i.status IN ('new', 'in_progress')
      AND (j.id IS NULL OR j.status IN ('completed', 'failed', 'cancelled'))
"""

OF_ITEMS = (
    Invariant("I24", "Items are leased within a job, and kept for one, no longer than it runs.", _WITH_ITS_EXECUTION),
)
