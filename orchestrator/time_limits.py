"""Tasks that run longer than they may: threads cannot be ended, so their process ends, and is started again."""

from __future__ import annotations

import os
import threading
import time
from typing import Any, Final

import structlog
from celery import signals

log = structlog.get_logger(__name__)

EXIT_CODE: Final = 75
CHECK_SECONDS: Final = 0.5


class TimeLimits(threading.Thread):
    """Watches the tasks of this process. What is cut off is found again by a tick, like every lost message."""

    def __init__(self) -> None:
        super().__init__(name="time-limits", daemon=True)
        self._ends: dict[str, tuple[float, str]] = {}
        signals.task_prerun.connect(self._note_begin, weak=False)
        signals.task_postrun.connect(self._note_end, weak=False)

    def run(self) -> None:
        """End the process as soon as a task has had its time."""
        while True:
            time.sleep(CHECK_SECONDS)
            overdue = [name for end, name in list(self._ends.values()) if time.monotonic() > end]
            if overdue:
                log.error("task_took_too_long", task=overdue[0], to_do="Its process ends and is started again.")
                os._exit(EXIT_CODE)

    def _note_begin(self, task_id: str, task: Any, **_: Any) -> None:
        if task.time_limit is not None:
            self._ends[task_id] = (time.monotonic() + task.time_limit, task.name)

    def _note_end(self, task_id: str, **_: Any) -> None:
        self._ends.pop(task_id, None)
