"""Being asked to end by a signal, without an exception in the middle of anything."""

from __future__ import annotations

import signal
import time
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
POLL_SECONDS = 0.1


class Interrupts:
    """Notes Ctrl-C and its like while a block runs. Nothing is raised: ask ``have_come``, or ``wait``."""

    def __init__(self) -> None:
        # A plain value: a lock taken in a signal handler may already be held by the code it interrupted.
        self._have_come = False

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def have_come(self) -> bool:
        """Say whether a signal has asked for the end."""
        return self._have_come

    def wait(self) -> None:
        """Wait until a signal asks for the end."""
        while not self._have_come:
            time.sleep(POLL_SECONDS)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._have_come = True
