"""How often a robot shall come, and how it may wait in between."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.signing import TimestampSigner

TICKET_SALT = "apps.runner.wait"


#: How fast the pace of an idle robot falls: after so many seconds without work it comes a second later each time.
SECONDS_PER_STEP = 10


def next_sync_in(*, granted: bool, holds: bool, waits: bool, idle_for: float, pushed: Mapping[str, Any]) -> float:
    """Return the seconds until the next sync: soon after a grant, rising while idle, longest where a wait is held.

    ``pushed`` is what the robot does otherwise than the installation says.
    """
    least, most = pushed.get("sync_min", settings.SYNC_MIN), pushed.get("sync_max", settings.SYNC_MAX)
    if granted:
        return float(min(least, settings.RENEW_EVERY))
    if holds:
        return float(min(most, settings.RENEW_EVERY))
    if waits:
        return float(min(pushed.get("sync_max", settings.SYNC_WITH_WAIT), settings.SYNC_WITH_WAIT))
    return float(max(least, min(most, least + idle_for / SECONDS_PER_STEP)))


def wait_ticket(robot_id: UUID, session_id: UUID, tenant_id: UUID, folders: list[UUID]) -> str:
    """Return a signed, short-lived ticket with all that ``live`` needs to know, so that it asks no database."""
    facts: dict[str, Any] = {
        "robot": str(robot_id),
        "session": str(session_id),
        "tenant": str(tenant_id),
        "folders": [str(folder) for folder in folders],
        "at": time.time(),
    }
    return TimestampSigner(salt=TICKET_SALT).sign_object(facts, compress=False)
