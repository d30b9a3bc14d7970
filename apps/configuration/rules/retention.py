"""How long things are kept."""

from __future__ import annotations

from typing import Final

from apps.configuration.rules.kinds import Group, Known, ValueType

#: Days that things may be kept for.
FEWEST_DAYS, MOST_DAYS = 1, 3650
#: The trail is evidence: nobody can have it go within the time in which something would be noticed.
FEWEST_AUDIT_DAYS = 30


def _days(key: str, title: str, default: int, says: str, *, low: int = FEWEST_DAYS, per_tenant: bool = False) -> Known:
    return Known(
        key=key,
        title=title,
        says=says,
        type=ValueType.INTEGER,
        default=default,
        low=low,
        high=MOST_DAYS,
        unit="days",
        per_tenant=per_tenant,
    )


RETENTION: Final = Group(
    "retention",
    "How long things are kept",
    "What is older goes by itself, a little at a time. Nothing goes that something unfinished needs.",
    (
        Known(
            key="retention_enabled",
            title="Let old things go",
            says="Switched off, nothing goes at all, and the database grows.",
            type=ValueType.BOOLEAN,
            default=True,
        ),
        _days(
            "jobs_retention_days",
            "Jobs",
            30,
            "Counted from their end, with their executions and files. A process may say otherwise for its own.",
            per_tenant=True,
        ),
        _days(
            "artefacts_retention_days",
            "Files that jobs left",
            30,
            "Counted from when they were kept; never longer than their job.",
            per_tenant=True,
        ),
        _days("job_logs_retention_days", "Logs of jobs", 30, "Whole days go at once, for all tenants together."),
        _days("spans_retention_days", "Steps that jobs traced", 30, "Whole days go at once, for all tenants together."),
        _days(
            "queue_items_retention_days",
            "Items of queues",
            90,
            "Counted from the end of the last try, with all tries, leases and files. A queue may say otherwise.",
            per_tenant=True,
        ),
        _days(
            "firings_retention_days",
            "Firings of triggers",
            30,
            "What became of each due time. Those whose jobs are still there stay with them.",
            per_tenant=True,
        ),
        _days(
            "bin_retention_days",
            "What lies in the bin",
            30,
            "Counted from its deletion. Until then it can be restored; then its secrets are gone at once.",
            per_tenant=True,
        ),
        _days("events_retention_days", "Events", 30, "Whole months go at once. Whoever follows them must read sooner."),
        _days(
            "late_results_retention_days", "Late results", 30, "Delivered, and could not count. Whole months at once."
        ),
        _days(
            "audit_logs_retention_days",
            "Audit trail",
            400,
            "Whole months go at once. Their seals stay, so that what is left can still be verified.",
            low=FEWEST_AUDIT_DAYS,
        ),
    ),
    icon="auto_delete",
)
