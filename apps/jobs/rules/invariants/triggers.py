"""What must be true of due times and the jobs that came of them."""

from __future__ import annotations

from apps.jobs.rules.invariants.invariant import Invariant, gone_until

#: Jobs are kept for a while only: those of due times before the last of them that has gone are not looked for.
_ONCE_PER_DUE_TIME = f"""
    SELECT f.id, 'says that it made ' || f.jobs_made || ' jobs, and there are ' || count(j.id) FROM triggers_firing f
    LEFT JOIN jobs_job j ON j.firing_id = f.id
    GROUP BY f.id HAVING count(j.id) > f.jobs_made
       OR (count(j.id) < f.jobs_made AND f.decided_at > {gone_until("jobs")})
    UNION ALL
    SELECT f.id, 'is of a time trigger and made ' || f.jobs_made || ' jobs' FROM triggers_firing f
    JOIN triggers_trigger t ON t.id = f.trigger_id WHERE t.kind = 'time' AND f.jobs_made > 1
    UNION ALL
    SELECT f.id, 'is ' || f.status || ' (' || f.code || ') and made ' || f.jobs_made || ' jobs' FROM triggers_firing f
    WHERE (f.status = 'fired' AND f.code <> 'queued') <> (f.jobs_made > 0)
    UNION ALL
    SELECT j.id, 'was made by a trigger at no time that is known' FROM jobs_job j
    LEFT JOIN triggers_firing f ON f.id = j.firing_id
    WHERE j.trigger_id IS NOT NULL AND f.trigger_id IS DISTINCT FROM j.trigger_id
      AND j.created_at > (SELECT min(created_at) FROM triggers_firing)
    UNION ALL
    SELECT t.id, 'was due ' || date_trunc('second', now() - t.next_fire_at) || ' ago and is not settled'
    FROM triggers_trigger t CROSS JOIN jobs_plane p
    WHERE t.enabled AND t.broken = '' AND t.deleted_at IS NULL AND p.ticked_at > now() - interval '15 seconds'
      AND greatest(t.next_fire_at, p.gap_ended_at, p.frozen_until) < now() - interval '5 minutes'
"""

OF_TRIGGERS = (
    Invariant(
        "I18", "A due time makes its jobs once, each job of a trigger has one, and none is left.", _ONCE_PER_DUE_TIME
    ),
)
