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
WATCHED_ROLES: Final = (BEAT, WORKER)

WHAT_TO_DO: Final = {
    "database": "Start PostgreSQL, or correct DATABASE_URL. `manage.py doctor` says more.",
    "migrations": "Run `manage.py migrate`.",
    "broker": "Start the broker, or correct CELERY_BROKER_URL. Robots go on; sweeps, bulk changes and sealing wait.",
    BEAT: "Start `manage.py beat`. Robots go on; sweeps, bulk changes and sealing wait.",
    WORKER: "Start `manage.py worker`. Robots go on; sweeps, bulk changes and sealing wait.",
}


def instance_name() -> str:
    """Return what tells this process from its like."""
    return f"{socket.gethostname()}:{os.getpid()}"


def is_silent(age: timedelta | None) -> bool:
    """Say whether a role last seen ``age`` ago, or never, is missing."""
    return age is None or age > SILENT_AFTER
