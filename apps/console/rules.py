"""When a role of the system counts as silent, and what to do about it."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from typing import Final

#: The task that beat sends and a worker takes up, to show that both are there.
TICK: Final = "console.tick"

#: Beat sends its tick this often; a role that has not been heard of for as long as the second is missing.
TICK_EVERY: Final = timedelta(seconds=15)
SILENT_AFTER: Final = timedelta(seconds=60)
#: Instances that have been silent this long are forgotten: they were replaced.
FORGOTTEN_AFTER: Final = timedelta(days=1)

BEAT: Final = "beat"
WORKER: Final = "worker"

WHAT_TO_DO: Final = {
    "database": "Start PostgreSQL, or correct DATABASE_URL. `manage.py doctor` says more.",
    "migrations": "Run `manage.py migrate`.",
    "keys": "Give MASTER_KEYS every key that is still in use. `manage.py doctor` and `verify_secrets` say more.",
    "broker": "Start the broker, or correct CELERY_BROKER_URL. Robots go on; sweeps, bulk changes and sealing wait.",
    BEAT: "Start `manage.py beat`. Robots go on; sweeps, bulk changes and sealing wait.",
}


def worker_for(queue: str) -> str:
    """Return the name under which those who work for a queue are watched."""
    return f"{WORKER}:{queue}"


def what_to_do(name: str) -> str:
    """Return the advice for what is not well: a server, a role, or the workers of a queue."""
    role, _, queue = name.partition(":")
    if role == WORKER:
        return f"Start `manage.py worker` for all queues, or with --queues {queue}. Robots go on; this work waits."
    return WHAT_TO_DO[name]


def instance_name() -> str:
    """Return what tells this process from its like."""
    return f"{socket.gethostname()}:{os.getpid()}"


def is_silent(age: timedelta | None) -> bool:
    """Say whether a role last seen ``age`` ago, or never, is missing."""
    return age is None or age > SILENT_AFTER
