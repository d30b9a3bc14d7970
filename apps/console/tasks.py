"""The tick that shows that beat, broker and a worker for each queue are there."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from apps.console import services
from apps.console.rules import TICK, instance_name, worker_for
from apps.core.actors import Actor
from apps.core.edge import metrics


@shared_task(name=TICK)
def tick(queue: str) -> None:
    """Note that somebody works for a queue, and tidy up. Beat's own sign of life is the sending (``receivers``)."""
    services.note_role_seen(worker_for(queue), instance=instance_name(), actor=Actor.system("tick"))
    metrics.fold_ended(settings.METRICS_DIR)
