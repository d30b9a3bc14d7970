"""The tick that shows that beat, broker and worker are there."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from apps.console import services
from apps.console.rules import TICK, WORKER, instance_name
from apps.core.actors import Actor
from apps.core.edge import metrics


@shared_task(name=TICK)
def tick() -> None:
    """Note that a worker took up beat's tick, and tidy up. Beat's own sign of life is the sending (``receivers``)."""
    services.note_role_seen(WORKER, instance=instance_name(), actor=Actor.system("tick"))
    metrics.fold_ended(settings.METRICS_DIR)
