"""Hints to waiting robots. A lost one costs a polling interval and nothing else."""

from __future__ import annotations

from typing import Any

from apps.core import statements
from apps.jobs.models import Job

#: What ``live`` listens to. NOTIFY takes a lock at commit, so it is sent only while somebody waits.
WORK_WAITS = "bv_work"

_ANNOUNCE_WORK = """
    SELECT pg_notify(%(channel)s,
        json_build_object('tenant', %(tenant)s::uuid, 'folder', %(folder)s::uuid, 'count', %(count)s::int)::text)
    WHERE EXISTS (SELECT 1 FROM robots_robotsession
                  WHERE tenant_id = %(tenant)s::uuid AND ended_at IS NULL AND waits_until > statement_timestamp())
"""


def announce_work(job: Job, *, count: int = 1) -> None:
    """Say, at the commit, that ``count`` jobs wait in the job's folder."""
    facts: dict[str, Any] = {
        "channel": WORK_WAITS,
        "tenant": job.tenant_id,
        "folder": job.folder_id,
        "count": count,
    }
    statements.execute(_ANNOUNCE_WORK, facts)
