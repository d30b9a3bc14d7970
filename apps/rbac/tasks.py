"""Clearing away what has ended."""

from __future__ import annotations

from typing import Final

from celery import shared_task

from apps.core.actors import Actor
from apps.rbac import services

_BATCH: Final = 500


@shared_task(name="rbac.end_expired_assignments")
def end_expired_assignments() -> int:
    """Write down which roles have ended by themselves, and clear them away; returns how many there were."""
    actor, total = Actor.system("expiry"), 0
    while ended := services.end_expired_assignments(actor=actor, limit=_BATCH):
        total += ended
    return total
