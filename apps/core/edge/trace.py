"""What is learnt about a request while it is handled, for its log line, its timing header and the audit trail."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from apps.core.actors import Actor
from apps.core.errors import NotAllowed


@dataclass(slots=True)
class Trace:
    """Notes about the request being handled. Times are in seconds."""

    started: float = field(default_factory=time.perf_counter)
    actor: Actor | None = None
    refusal: NotAllowed | None = None
    database_seconds: float = 0.0
    statements: int = 0

    def note_statement(self, execute: Any, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        """Run a statement and add up its time; given to the connection as its execute wrapper."""
        started = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.statements += 1
            self.database_seconds += time.perf_counter() - started

    @property
    def seconds(self) -> float:
        """How long the request has taken so far."""
        return time.perf_counter() - self.started


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def current() -> Trace:
    """Return the notes of the request being handled; outside one, notes that nobody reads."""
    return _current.get() or Trace()


@contextmanager
def tracing() -> Iterator[Trace]:
    """Begin notes that are current for the time of the block."""
    trace = Trace()
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)
