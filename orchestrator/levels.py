"""The thread in each long-lived process that follows the settings of logging."""

from __future__ import annotations

import threading
from typing import Final

import structlog
from django.db import DatabaseError, InterfaceError, connection

from apps.core import logs

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 5.0


class LevelFollower(threading.Thread):
    """Looks every few seconds from which level on this process logs, and has it do so."""

    def __init__(self) -> None:
        super().__init__(name="log-level", daemon=True)
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.wait(LOOK_SECONDS):
            try:
                self.look()
            except (DatabaseError, InterfaceError) as error:
                log.info("log_level_not_known", error=str(error).strip())
            finally:
                connection.close()

    def look(self) -> None:
        """Take over the level that is set now."""
        from apps.configuration.models import Setting  # Worker and beat load the apps after this module.

        logs.follow_level(Setting.objects.in_force("logging")["level"])
