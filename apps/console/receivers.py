"""Celery's own signals: sending the tick is beat's sign of life, whether or not a worker ever takes it up."""

from __future__ import annotations

from typing import Any

from celery.signals import before_task_publish

from apps.console import services
from apps.console.rules import BEAT
from apps.console.tasks import TICK, instance_name
from apps.core.actors import Actor


@before_task_publish.connect(sender=TICK, weak=False, dispatch_uid="console.note_beat")
def note_beat(**_: Any) -> None:
    """Note that beat is alive. Celery logs what goes wrong here and sends the tick all the same."""
    services.note_role_seen(BEAT, instance=instance_name(), actor=Actor.system("tick"))
