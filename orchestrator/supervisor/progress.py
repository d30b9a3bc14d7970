"""What is said during a long step: its beginning, how far it is now and then, and its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

EVERY_SECONDS = 2.0


class Progress:
    """Says how a step goes, from the lines it prints. A line that ends in ``OK`` counts as done."""

    def __init__(self, name: str, say: Callable[[str], None]) -> None:
        self._name = name
        self._say = say
        self._done = 0
        self._begun = self._said_at = time.monotonic()

    def __enter__(self) -> Self:
        self._say(f"Running {self._name} …")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._say(f"  {self._name}: done in {time.monotonic() - self._begun:.1f} s{self._count()}")

    def note(self, line: str) -> None:
        """Take one line of the step's output into account."""
        if not line.rstrip().endswith("OK"):
            return
        self._done += 1
        if time.monotonic() - self._said_at >= EVERY_SECONDS:
            self._said_at = time.monotonic()
            self._say(f"  {line.strip()} ({self._done} so far)")

    def _count(self) -> str:
        return f", {self._done} steps applied" if self._done else ""
