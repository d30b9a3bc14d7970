"""Invariants that need what clients wrote down: what robots asked, ran and were told, and what was made for whom.

A client log has one JSON object per line:

``{"kind": "wished", "robot": id, "wish": id}`` before a sync that carries a new wish;
``{"kind": "ran", "robot": id, "lease": id}`` each time a job's program is started;
``{"kind": "told", "robot": id, "lease": id, "digest": "…", "answer": "accepted"}`` for each answer to a report;
``{"kind": "created", "job": id, "key": "…"}`` for each acknowledged create, with its idempotency key if it had one.
"""

from __future__ import annotations

from apps.jobs.rules.invariants.invariant import Invariant

_LOG = """
    log AS (
        SELECT * FROM jsonb_to_recordset(%(log)s::jsonb)
            AS line (kind text, robot uuid, wish uuid, lease uuid, digest text, answer text, job uuid, key text))
"""
_ACCEPTED = "('accepted', 'duplicate', 'send_log')"

_ANSWERS_TRUE = f"""
    WITH {_LOG}
    SELECT l.lease, 'was told ' || l.answer || ', but stored is ' || coalesce(nullif(e.result_digest, ''), 'nothing')
    FROM log l LEFT JOIN jobs_execution e ON e.lease_id = l.lease
    WHERE l.kind = 'told' AND l.answer IN {_ACCEPTED} AND e.result_digest IS DISTINCT FROM l.digest
    UNION ALL
    SELECT l.lease, 'was told ' || l.answer || ', but its result is stored as the accepted one'
    FROM log l JOIN jobs_execution e ON e.lease_id = l.lease AND e.result_digest = l.digest
    WHERE l.kind = 'told' AND l.answer NOT IN {_ACCEPTED}
"""

_RESULTS_KEPT = f"""
    WITH {_LOG}
    SELECT l.lease, 'delivered a result that is nowhere' FROM log l
    WHERE l.kind = 'told' AND l.answer <> 'unknown' {{acknowledged}}
      AND NOT EXISTS (SELECT 1 FROM jobs_execution e WHERE e.lease_id = l.lease AND e.result_digest = l.digest)
      AND NOT EXISTS (SELECT 1 FROM jobs_lateresult r WHERE r.lease_id = l.lease AND r.digest = l.digest)
"""

_CREATES_KEPT = f"""
    WITH {_LOG}
    SELECT l.job, 'was acknowledged and does not exist' FROM log l
    WHERE l.kind = 'created' AND NOT EXISTS (SELECT 1 FROM jobs_job j WHERE j.id = l.job)
    UNION ALL
    SELECT min(l.job::text)::uuid, 'is one of ' || count(DISTINCT l.job) || ' jobs of one key' FROM log l
    WHERE l.kind = 'created' AND l.key IS NOT NULL GROUP BY l.key HAVING count(DISTINCT l.job) > 1
"""

_NO_GHOSTS = f"""
    WITH {_LOG}
    SELECT e.id, 'answers a wish that nobody made' FROM jobs_execution e
    WHERE e.robot_id IN (SELECT robot FROM log WHERE kind = 'wished')
      AND e.claim_request_id NOT IN (SELECT wish FROM log WHERE kind = 'wished')
"""

_RUN_ONCE = f"""
    WITH {_LOG}
    SELECT lease, 'was run ' || count(*) || ' times' FROM log WHERE kind = 'ran' GROUP BY lease HAVING count(*) > 1
"""

OF_CLIENTS = (
    Invariant("I6", "What a robot was told about its result is so.", _ANSWERS_TRUE),
    Invariant("I10", "Every result that was delivered is kept.", _RESULTS_KEPT.format(acknowledged="")),
    Invariant("I11", "What was acknowledged exists, once for each key.", _CREATES_KEPT),
    Invariant("I13", "Nothing is granted that nobody wished for.", _NO_GHOSTS),
    Invariant("I14", "A lease is run at most once.", _RUN_ONCE),
    Invariant(
        "I15",
        "A result that was acknowledged is kept, also by a database that fell back.",
        _RESULTS_KEPT.format(acknowledged=f"AND l.answer IN {_ACCEPTED}"),
    ),
)
