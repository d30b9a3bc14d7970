"""Forgetting old answers."""

from __future__ import annotations

from typing import Final

from celery import shared_task

from apps.core.actors import Actor
from apps.requests import services

_BATCH: Final = 1000


@shared_task(name="requests.delete_expired")
def delete_expired() -> int:
    """Delete every answer that is older than a day, a batch to a transaction; returns how many there were."""
    actor, total = Actor.system("retention"), 0
    while deleted := services.delete_expired(actor=actor, limit=_BATCH):
        total += deleted
    return total
