"""The thread in each web process that advances the plane's tick, so that an outage of ours is noticed."""

from __future__ import annotations

import threading

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from apps.core.actors import Actor
from apps.jobs import services as jobs
from apps.jobs.models import Plane

log = structlog.get_logger(__name__)


class Ticker(threading.Thread):
    """Advances the tick, and remembers the highest one seen: a lower one means that commits were lost."""

    def __init__(self) -> None:
        super().__init__(name="plane-tick", daemon=True)
        self.highest = (0, 0)
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.wait(settings.TICK_EVERY):
            try:
                self.tick()
            except (DatabaseError, InterfaceError) as error:
                log.warning("plane_tick_failed", error=str(error).strip())
            finally:
                connection.close()

    def tick(self) -> None:
        """Advance the tick if it is time, and compare what is there with what was."""
        jobs.advance_tick()
        plane = Plane.objects.first()
        if plane is None:
            return
        if (plane.epoch, plane.tick) < self.highest:
            epoch, tick = self.highest
            plane = jobs.notice_tick(plane, actor=Actor.system("plane"), epoch=epoch, tick=tick)
        self.highest = (plane.epoch, plane.tick)
