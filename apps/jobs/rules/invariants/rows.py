"""Invariants of jobs, executions, events and logs."""

from __future__ import annotations

from apps.jobs.rules.invariants.invariant import Invariant, gone_until
from apps.jobs.rules.invariants.items import ITEMS_REPLAYED, ONE_OPEN_LEASE

_ENDED = "('completed', 'failed', 'cancelled')"
_CLOSING = "('job.completed', 'job.failed', 'job.cancelled', 'job.requeued', 'job.held')"

#: Each job's history: the events that carry its status, the status before each, and the grant each of them follows.
#: Events of one job are written under its lock, so their sequence numbers are the order in which they happened.
_HISTORY = """
    told AS (
        SELECT v.subject_id AS job_id, v.seq, v.type, v.data->>'status' AS status, v.data->>'reason' AS reason,
            (v.data->>'execution')::uuid AS execution_id, (v.data->>'number')::int AS number,
            (v.data->>'priority')::int AS priority
        FROM events_event v WHERE v.subject_kind = 'job' AND v.data->>'status' IS NOT NULL
    ), history AS (
        SELECT told.*, lag(status) OVER by_job AS before, first_value(type) OVER by_job AS first_type,
            count(*) FILTER (WHERE type = 'job.claimed') OVER by_job AS grants
        FROM told WINDOW by_job AS (PARTITION BY job_id ORDER BY seq)
    ), granted AS (
        SELECT job_id, grants, execution_id, number FROM history WHERE type = 'job.claimed'
    )
"""

_ONE_OPEN = f"""
    WITH {_HISTORY}
    SELECT job_id, 'has ' || count(*) || ' open executions' FROM jobs_execution
    WHERE status = 'running' GROUP BY job_id HAVING count(*) > 1
    UNION ALL
    SELECT j.id, 'is ' || j.status || ' without an open execution' FROM jobs_job j
    WHERE j.status IN ('running', 'cancelling')
      AND NOT EXISTS (SELECT 1 FROM jobs_execution e WHERE e.job_id = j.id AND e.status = 'running')
    UNION ALL
    SELECT j.id, 'is ' || j.status || ' with an open execution' FROM jobs_execution e JOIN jobs_job j ON j.id = e.job_id
    WHERE e.status = 'running' AND j.status NOT IN ('running', 'cancelling')
    UNION ALL
    SELECT job_id, 'was granted while it was ' || before FROM history
    WHERE type = 'job.claimed' AND before IS NOT NULL AND before <> 'pending'
"""

_ONE_SUCCESS = """
    SELECT j.id, 'is ' || j.status || ' with ' || count(e.id) || ' accepted results' FROM jobs_job j
    LEFT JOIN jobs_execution e ON e.job_id = j.id AND e.status IN ('completed', 'adopted')
    GROUP BY j.id HAVING count(e.id) <> CASE WHEN j.status = 'completed' THEN 1 ELSE 0 END
    UNION ALL
    SELECT subject_id, 'was completed ' || count(*) || ' times' FROM events_event
    WHERE subject_kind = 'job' AND type = 'job.completed' GROUP BY subject_id HAVING count(*) > 1
"""

_ENDS_ARE_FINAL = f"""
    WITH {_HISTORY}
    SELECT job_id, 'went from ' || before || ' to ' || status || ' by ' || type FROM history WHERE before IN {_ENDED}
    UNION ALL
    SELECT id, 'is ' || status || CASE WHEN finished_at IS NULL THEN ' without an end' ELSE ' with an end' END
    FROM jobs_job WHERE (status IN {_ENDED}) <> (finished_at IS NOT NULL)
    UNION ALL
    SELECT r.id, 'retries a job that is ' || o.status FROM jobs_job r JOIN jobs_job o ON o.id = r.retry_of_id
    WHERE o.status NOT IN {_ENDED}
"""

_CLOSED_BY_ITS_OWN = f"""
    WITH {_HISTORY}
    SELECT h.job_id, h.type || ' names execution ' || coalesce(h.execution_id::text, 'none') || ', but open was '
        || coalesce(g.execution_id::text, 'none')
    FROM history h LEFT JOIN granted g ON g.job_id = h.job_id AND g.grants = h.grants
    WHERE h.type IN {_CLOSING} AND h.execution_id IS DISTINCT FROM g.execution_id AND h.first_type = 'job.created'
      AND (h.before IN ('running', 'cancelling') OR h.type = 'job.completed')
    UNION ALL
    SELECT e.id, 'was adopted although a newer try exists' FROM jobs_execution e
    WHERE e.status = 'adopted' AND EXISTS
        (SELECT 1 FROM jobs_execution n WHERE n.job_id = e.job_id AND n.number > e.number)
"""

_NUMBERED = f"""
    WITH {_HISTORY}, counted AS (
        SELECT job_id, count(*) AS all_of, min(number) AS lowest, max(number) AS highest,
            count(*) FILTER (WHERE status <> 'released') AS used
        FROM jobs_execution GROUP BY job_id)
    SELECT j.id, 'has tries ' || coalesce(c.lowest, 0) || ' to ' || coalesce(c.highest, 0) || ', '
        || coalesce(c.all_of, 0) || ' in all, of which ' || coalesce(c.used, 0) || ' count; its row says '
        || j.last_execution_no || ' and ' || j.attempts_used || ' of ' || j.max_attempts
    FROM jobs_job j LEFT JOIN counted c ON c.job_id = j.id
    WHERE coalesce(c.all_of, 0) <> j.last_execution_no OR coalesce(c.highest, 0) <> j.last_execution_no
       OR coalesce(c.lowest, 1) <> 1 OR coalesce(c.used, 0) <> j.attempts_used OR j.attempts_used > j.max_attempts
    UNION ALL
    SELECT e.id, 'is ' || e.status || ' and was closed ' || count(h.seq) || ' times' FROM jobs_execution e
    LEFT JOIN history h ON h.job_id = e.job_id AND h.execution_id = e.id AND h.type IN {_CLOSING}
    WHERE EXISTS (SELECT 1 FROM told t WHERE t.job_id = e.job_id AND t.type = 'job.created')
    GROUP BY e.id
    HAVING count(h.seq) <> CASE e.status WHEN 'running' THEN 0 WHEN 'adopted' THEN 2 ELSE 1 END
"""

_ONE_LEASE_PER_WISH = """
    SELECT (array_agg(id ORDER BY id))[2], 'is one of ' || count(*) || ' leases of wish ' || claim_request_id
    FROM jobs_execution GROUP BY claim_request_id HAVING count(*) > 1
"""

#: By how much a lease is over-due counts from the end of our own last outage at the earliest.
_SWEPT_IN_TIME = """
    SELECT e.id, 'ran out ' || date_trunc('second', now() - e.expires_at) || ' ago and is still open'
    FROM jobs_execution e JOIN jobs_job j ON j.id = e.job_id CROSS JOIN jobs_plane p
    WHERE e.status = 'running' AND p.ticked_at > now() - interval '15 seconds'
      AND greatest(e.expires_at, p.gap_ended_at + make_interval(secs => %(ttl)s), p.frozen_until)
          < now() - make_interval(secs => j.lease_ttl + 2 * %(sweep_every)s)
"""

_NOT_AFTER_A_CANCEL = f"""
    WITH {_HISTORY}
    SELECT job_id, 'had ' || type || ' after it was asked to be cancelled' FROM history
    WHERE before = 'cancelling' AND type IN ('job.claimed', 'job.started', 'job.requeued', 'job.held', 'job.resumed')
    UNION ALL
    SELECT e.id, 'began after its job was asked to be cancelled'
    FROM jobs_execution e JOIN jobs_job j ON j.id = e.job_id
    WHERE e.started_at > j.cancel_requested_at OR e.granted_at > j.cancel_requested_at
    UNION ALL
    SELECT id, 'is ' || status || ' though it was asked to be cancelled' FROM jobs_job
    WHERE cancel_requested_at IS NOT NULL AND status IN ('pending', 'waiting', 'running')
"""

_LEASES_ONCE = """
    SELECT (array_agg(id ORDER BY id))[2], 'has a lease that another execution has' FROM jobs_execution
    GROUP BY lease_id HAVING count(*) > 1
    UNION ALL
    SELECT e.id, 'has a lease that was reported as unknown before it was granted'
    FROM jobs_execution e JOIN jobs_lateresult l ON l.lease_id = e.lease_id
    WHERE l.kind IN ('unknown_lease', 'unknown_job') AND l.id < e.id
"""

_REPLAYED = f"""
    WITH {_HISTORY}, replayed AS (
        SELECT job_id, (array_agg(status ORDER BY seq DESC))[1] AS status,
            (array_agg(reason ORDER BY seq DESC) FILTER (WHERE reason IS NOT NULL))[1] AS reason,
            (array_agg(priority ORDER BY seq DESC) FILTER (WHERE priority IS NOT NULL))[1] AS priority,
            (array_agg(execution_id ORDER BY seq DESC) FILTER (WHERE type = 'job.claimed'))[1] AS execution_id,
            coalesce(max(number) FILTER (WHERE type = 'job.claimed'), 0) AS number
        FROM history WHERE first_type = 'job.created' GROUP BY job_id)
    SELECT j.id, 'is ' || j.status || ' (' || j.reason || ') at try ' || j.last_execution_no || ', but its events say '
        || r.status || ' (' || coalesce(r.reason, '') || ') at try ' || r.number
    FROM replayed r JOIN jobs_job j ON j.id = r.job_id
    WHERE (j.status, j.reason, j.last_execution_no) IS DISTINCT FROM (r.status, coalesce(r.reason, ''), r.number)
       OR j.priority <> coalesce(r.priority, j.priority)
    UNION ALL
    SELECT e.id, 'is open, but the last grant told of was of ' || coalesce(r.execution_id::text, 'none')
    FROM jobs_execution e JOIN replayed r ON r.job_id = e.job_id
    WHERE e.status = 'running' AND r.execution_id IS DISTINCT FROM e.id
"""

#: Logs go by whole days, whether their executions do or not: what began before the last day gone may lack pieces.
_LOGS_WHOLE = f"""
    WITH pieces AS (
        SELECT execution_id, "offset" AS begins, size, length(data) AS stored,
            lag("offset" + size) OVER (PARTITION BY execution_id ORDER BY "offset") AS expected
        FROM jobs_logchunk WHERE stream = 'robot'
    ), whole AS (
        SELECT p.execution_id, min(p.begins) AS begins, max(p.begins + p.size) AS ends, min(e.granted_at) AS granted_at
        FROM pieces p JOIN jobs_execution e ON e.id = p.execution_id GROUP BY p.execution_id)
    SELECT execution_id, 'has a piece at byte ' || begins || ' where ' || coalesce(expected, 0) || ' follows, or of '
        || stored || ' bytes instead of ' || size
    FROM pieces WHERE begins <> coalesce(expected, begins) OR size <> stored
    UNION ALL
    SELECT e.id, 'has bytes ' || coalesce(w.begins, 0) || ' to ' || coalesce(w.ends, 0) || ' of a log of '
        || e.log_length
    FROM jobs_execution e LEFT JOIN whole w ON w.execution_id = e.id
    WHERE w.ends <> e.log_length
       OR (e.log_length > 0 AND coalesce(w.begins, 1) > 0 AND e.granted_at > {gone_until("logs")})
    UNION ALL
    SELECT id, 'has a log of ' || log_length || ' bytes that is not the one its robot announced' FROM jobs_execution
    WHERE log_length > log_final_length OR (log_length = log_final_length AND log_crc32 <> log_final_crc32)
"""

#: A limit counts from its last change on: what began under another one goes on. Whoever is granted when the limit is
#: reached is one too many, so it is enough to look at the grants; not at those whose changes nobody knows any more.
_WITHIN_LIMITS = f"""
    WITH changed AS (
        SELECT subject_id, max(ts) + interval '10 seconds' AS at FROM events_event
        WHERE type IN ('process.updated', 'robot.updated') GROUP BY subject_id
    ), counted AS (
        SELECT 'process' AS kind, process_id AS owner, '' AS value, id, granted_at, finished_at FROM jobs_execution
        UNION ALL SELECT 'value', process_id, limit_value, id, granted_at, finished_at FROM jobs_execution
            WHERE limit_value <> ''
        UNION ALL SELECT 'robot', robot_id, '', id, granted_at, finished_at FROM jobs_execution
    ), limits AS (
        SELECT 'process' AS kind, id AS owner, concurrency_limit AS most FROM processes_process
        UNION ALL SELECT 'value', id, limit_per_value FROM processes_process
        UNION ALL SELECT 'robot', id, slots FROM robots_robot
    ), marks AS (
        SELECT kind, owner, value, id, granted_at AS at, 1 AS step FROM counted
        UNION ALL SELECT kind, owner, value, id, finished_at, -1 FROM counted WHERE finished_at IS NOT NULL
    ), open AS (
        SELECT marks.*, sum(step) OVER (PARTITION BY kind, owner, value ORDER BY at, step) AS count FROM marks)
    SELECT o.id, 'was number ' || o.count || ' where ' || l.kind || ' ' || l.owner || ' allows ' || l.most
    FROM open o JOIN limits l ON l.kind = o.kind AND l.owner = o.owner LEFT JOIN changed c ON c.subject_id = l.owner
    WHERE o.step = 1 AND o.count > l.most
      AND o.at > greatest(coalesce(c.at, '-infinity'), {gone_until("events")}, {gone_until("jobs")})
"""

OF_ROWS = (
    Invariant(
        "I1",
        "A job has one open execution while it runs, an item one lease, and none otherwise, at every event.",
        f"{_ONE_OPEN} UNION ALL {ONE_OPEN_LEASE}",
    ),
    Invariant("I2", "A job has one accepted result if it is completed, and none otherwise.", _ONE_SUCCESS),
    Invariant("I3", "What has ended never changes again.", _ENDS_ARE_FINAL),
    Invariant(
        "I4", "Every end names the execution that was open, and only the last try is adopted.", _CLOSED_BY_ITS_OWN
    ),
    Invariant("I5", "Tries are numbered without gap, counted right, and closed once each.", _NUMBERED),
    Invariant("I7", "One wish makes at most one lease.", _ONE_LEASE_PER_WISH),
    Invariant("I8", "No lease stays over-due while the control plane is up.", _SWEPT_IN_TIME),
    Invariant("I9", "Nothing begins, and nothing is queued again, after a cancel.", _NOT_AFTER_A_CANCEL),
    Invariant("I12", "No lease is given out twice, ever.", _LEASES_ONCE),
    Invariant(
        "I16", "The events of a job or an item, replayed, give its row.", f"{_REPLAYED} UNION ALL {ITEMS_REPLAYED}"
    ),
    Invariant("I19", "A stored log is whole, and the one its robot announced or short of it.", _LOGS_WHOLE),
    Invariant("I23", "Slots, process limits and limits per value are never exceeded.", _WITHIN_LIMITS),
)
