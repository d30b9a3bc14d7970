"""What holds for jobs whose process says nothing else."""

from __future__ import annotations

from typing import Final

from apps.configuration.rules.kinds import Group, integer

_YEAR: Final = 366 * 86_400

JOBS: Final = Group(
    "jobs",
    "Jobs",
    "What holds for new jobs where neither who starts one nor its process says otherwise.",
    (
        integer(
            "timeout",
            "Longest try",
            "A try that takes longer is stopped. Not set: it may take any time.",
            None,
            1,
            _YEAR,
            unit="seconds",
            per_tenant=True,
        ),
        integer(
            "start_by",
            "Longest wait for a start",
            "A job that has not begun by then fails as expired. Not set: it may wait any time.",
            None,
            1,
            _YEAR,
            unit="seconds",
            per_tenant=True,
        ),
        integer(
            "max_attempts",
            "Tries",
            "All tries, the first included: what a new process says while nobody changes it.",
            1,
            1,
            100,
            per_tenant=True,
        ),
        integer(
            "lease_seconds",
            "Lease",
            "Without contact for so long, a robot counts as lost.",
            90,
            30,
            600,
            unit="seconds",
            environment="LEASE_TTL",
            per_tenant=True,
        ),
        integer(
            "grace_seconds",
            "Grace",
            "Between asking a program to end and killing it.",
            30,
            0,
            600,
            unit="seconds",
            environment="KILL_GRACE",
            per_tenant=True,
        ),
    ),
    icon="play_circle",
)
