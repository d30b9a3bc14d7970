"""Which firings are kept no longer: none whose jobs are there, and none that still waits to make its job."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from apps.core.keeping import OWN_DAYS, Keeping, choose, first_id

_WITHOUT_JOBS = "f.code <> 'queued' AND (SELECT j.id FROM jobs_job j WHERE j.firing_id = f.id LIMIT 1) IS NULL"
#: As long as the jobs of their process at least: otherwise those that have to stay would be looked at each time.
_DAYS = "greatest(coalesce(own.days, %(days)s), coalesce(p.retention_days, of_jobs.days, %(job_days)s))"
_OLD_FIRINGS = f"""
    SELECT found.id FROM triggers_trigger t JOIN processes_process p ON p.id = t.process_id
    LEFT JOIN {OWN_DAYS} ON own.tenant_id = t.tenant_id
    LEFT JOIN unnest(%(job_tenants)s::uuid[], %(job_tenant_days)s::int[]) AS of_jobs(tenant_id, days)
        ON of_jobs.tenant_id = t.tenant_id
    CROSS JOIN LATERAL (
        SELECT f.id FROM triggers_firing f
        WHERE f.trigger_id = t.id AND f.id < {first_id(_DAYS)} AND {_WITHOUT_JOBS}
        ORDER BY f.id LIMIT %(limit)s) found
    LIMIT %(limit)s
"""


def old_firings(keeping: Keeping, jobs: Keeping, limit: int) -> list[UUID]:
    """Return up to ``limit`` firings that were decided too long ago; ``jobs`` says how long those of theirs stay."""
    of_jobs = {f"job_{name}": value for name, value in jobs.parameters.items()}
    return choose(_OLD_FIRINGS, {**keeping.parameters, **of_jobs, "limit": limit})


def without_jobs(firings: Sequence[UUID]) -> list[UUID]:
    """Return those of some firings that have no jobs, and will have none, as it is now."""
    statement = f"SELECT f.id FROM triggers_firing f WHERE f.id = ANY(%(ids)s) AND {_WITHOUT_JOBS}"
    return choose(statement, {"ids": list(firings)}) if firings else []
