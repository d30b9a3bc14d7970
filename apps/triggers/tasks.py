"""The ticks of triggers. Which are due stands in the rows, so a lost or doubled message changes nothing but delay."""

from __future__ import annotations

from celery import shared_task

from apps.core.actors import Actor
from apps.triggers import services

MOST_BATCHES = 200
"""So many batches one tick handles at most; the next goes on."""


@shared_task(name="triggers.fire_due", expires=30)
def fire_due() -> int:
    """Fire the triggers whose time has come, and what waited for a job to end; returns how many were looked at."""
    actor, handled = Actor.system("triggers"), 0
    services.release_waiting_firings(actor=actor)
    for _ in range(MOST_BATCHES):
        count = services.fire_due_triggers(actor=actor)
        handled += count
        if count == 0:
            break
    return handled


@shared_task(name="triggers.follow_zone_rules")
def follow_zone_rules() -> None:
    """Work out anew when triggers are due next: the rules of their time zones may have changed since they stored it."""
    actor = Actor.system("triggers")
    beyond = services.follow_zone_rules(actor=actor)
    while beyond is not None:
        beyond = services.follow_zone_rules(actor=actor, beyond=beyond)
