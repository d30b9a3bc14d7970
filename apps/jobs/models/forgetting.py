"""Which ended jobs, and what belongs to them, are kept no longer. Rows that something unfinished needs are left out."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from apps.core.keeping import OWN_DAYS, Keeping, choose, of_tenants

#: A job goes after those that retry it and those it started, not while the job above it goes on, and not while items
#: that it owned are still to be settled. Asked of each row by itself: NOT EXISTS would be turned into a join, for which
#: the planner likes to read whole tables.
_NEEDED_BY_NOBODY = """
    (SELECT r.id FROM jobs_job r WHERE r.retry_of_id = j.id LIMIT 1) IS NULL
    AND (SELECT c.id FROM jobs_job c WHERE c.parent_id = j.id LIMIT 1) IS NULL
    AND (SELECT a.id FROM jobs_job a WHERE a.id = j.parent_id AND a.finished_at IS NULL LIMIT 1) IS NULL
    AND (SELECT i.id FROM queues_queueitem i
         WHERE i.reserved_for = j.id AND i.status IN ('new', 'in_progress') LIMIT 1) IS NULL
"""
_OLD_JOBS = f"""
    SELECT found.id FROM processes_process p LEFT JOIN {OWN_DAYS} ON own.tenant_id = p.tenant_id
    CROSS JOIN LATERAL (
        SELECT j.id FROM jobs_job j
        WHERE j.process_id = p.id AND {_NEEDED_BY_NOBODY} AND j.finished_at <
            statement_timestamp() - make_interval(days => coalesce(p.retention_days, own.days, %(days)s))
        ORDER BY j.finished_at LIMIT %(limit)s) found
    LIMIT %(limit)s
"""
_OLD_ARTEFACTS = of_tenants("jobs_artefact", "(SELECT j.finished_at FROM jobs_job j WHERE j.id = r.job_id) IS NOT NULL")
_OLD_BULK_CHANGES = of_tenants("jobs_bulkchange", "r.finished_at IS NOT NULL")


def old_jobs(keeping: Keeping, limit: int) -> list[UUID]:
    """Return up to ``limit`` jobs that ended too long ago, by their process, their tenant or the installation."""
    return choose(_OLD_JOBS, {**keeping.parameters, "limit": limit})


def old_artefacts(keeping: Keeping, limit: int) -> list[UUID]:
    """Return up to ``limit`` files of ended jobs that were kept too long ago."""
    return choose(_OLD_ARTEFACTS, {**keeping.parameters, "limit": limit})


def old_bulk_changes(keeping: Keeping, limit: int) -> list[UUID]:
    """Return up to ``limit`` bulk changes that are over and were asked for too long ago."""
    return choose(_OLD_BULK_CHANGES, {**keeping.parameters, "limit": limit})


def needed_by_nobody(jobs: Sequence[UUID]) -> list[UUID]:
    """Return those of some ended jobs that nothing needs, as it is now."""
    statement = f"SELECT j.id FROM jobs_job j WHERE j.id = ANY(%(ids)s) AND {_NEEDED_BY_NOBODY}"
    return choose(statement, {"ids": list(jobs)}) if jobs else []
