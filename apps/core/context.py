"""What is known of the request that is being handled, for audit entries and log lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """The id and the network address of a request; empty outside one."""

    request_id: str = ""
    address: str | None = None
    agent: str = ""


_NOTHING_KNOWN = RequestFacts()
_current: ContextVar[RequestFacts] = ContextVar("request_facts", default=_NOTHING_KNOWN)


def current() -> RequestFacts:
    """Return the facts of the request being handled, or empty ones."""
    return _current.get()


@contextmanager
def handling(facts: RequestFacts) -> Iterator[None]:
    """Make ``facts`` the current ones for the time of the block."""
    token = _current.set(facts)
    try:
        yield
    finally:
        _current.reset(token)
