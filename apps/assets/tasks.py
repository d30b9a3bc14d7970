"""What the clock wakes."""

from __future__ import annotations

from celery import shared_task

from apps.assets import services
from apps.core.actors import Actor


@shared_task(name="assets.tell_of_expiry", expires=600)
def tell_of_expiry() -> int:
    """Say of assets that they expire, until there is nothing left to say; returns of how many."""
    actor, count = Actor.system("assets"), 0
    while told := services.tell_of_expiry(actor=actor):
        count += told
    return count
