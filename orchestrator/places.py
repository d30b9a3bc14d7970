"""The place of every task of the background: its queue, its tick, and how long it may take.

A queue has processes of its own, so that what is stuck holds up no other kind. A tick comes every so many seconds.
Each task finds its work in the rows, so a lost or doubled tick changes nothing but delay. Administrators may change or
switch off each tick; here stands what holds otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

#: It goes to every queue, and shows that somebody works for it.
TICK: Final = "console.tick"
#: Seconds that one task of a queue may take; then its process ends and is started again.
TIME_LIMITS: Final[Mapping[str, int]] = {
    "sweeps": 300,
    "triggers": 300,
    "deliveries": 300,
    "notifications": 300,
    "maintenance": 3000,
    "default": 1800,
}


def ticks(*, sweep_every: int) -> dict[str, dict[str, int]]:
    """Return the tasks of each queue with their seconds from one tick to the next."""
    return {
        "sweeps": {
            "jobs.sweep_leases": sweep_every,
            "jobs.sweep_start_deadlines": 5,
            "queues.sweep_leases": sweep_every,
        },
        "triggers": {
            "triggers.fire_due": 2,
            "triggers.follow_zone_rules": 3600,
        },
        "deliveries": {},
        "notifications": {
            "mail.send_due": 10,
        },
        "maintenance": {
            "audit.seal_entries": 30,
            "events.ensure_partitions": 3600,
            "requests.delete_expired": 3600,
            "accounts.forget_uses": 86_400,
            "accounts.forget_ended_sessions": 3600,
            "packages.sweep_files": 3600,
            "jobs.sweep_artefacts": 86_400,
            "queues.forget_uploads": 3600,
            "queues.sweep_files": 86_400,
            "jobs.sweep_ephemeral_robots": 3600,
            "robots.forget_old_sessions": 3600,
            "jobs.forget_ended_tokens": 86_400,
            "robots.drop_old_samples": 3600,
            "retention.prune": 300,
            "encryption.reencrypt": 3600,
            "assets.tell_of_expiry": 900,
            "rbac.end_expired_assignments": 3600,
            "mail.forget_old": 3600,
        },
        "default": {
            "jobs.work_off_bulk_changes": 5,
            "queues.work_off_bulk_changes": 5,
        },
    }


def schedule(of: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, Any]]:
    """Return what beat sends, and when: the ticks of all tasks, and one to each queue."""
    tasks: dict[str, dict[str, Any]] = {
        task: {"task": task, "schedule": every, "options": {"expire_seconds": max(every * 2, 10)}}
        for queue in of.values()
        for task, every in queue.items()
    }
    queues = {
        f"{TICK}.{name}": {
            "task": TICK,
            "schedule": 15,
            "kwargs": {"queue": name},
            "options": {"queue": name, "expire_seconds": 30},
        }
        for name in of
    }
    return tasks | queues
