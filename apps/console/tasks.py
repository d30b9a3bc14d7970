"""The tick that shows that beat, broker and worker are there."""

from __future__ import annotations

import os
import socket
from typing import Final

from celery import shared_task

from apps.console import services
from apps.console.rules import WORKER
from apps.core.actors import Actor

TICK: Final = "console.tick"


def instance_name() -> str:
    """Return what tells this process from its like."""
    return f"{socket.gethostname()}:{os.getpid()}"


@shared_task(name=TICK)
def tick() -> None:
    """Note that a worker took up beat's tick. Beat's own sign of life is the sending (see ``receivers``)."""
    services.note_role_seen(WORKER, instance=instance_name(), actor=Actor.system("tick"))
