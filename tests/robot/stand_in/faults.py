"""How the stand-in orchestrator fails on purpose."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class Refused(Exception):
    """A refusal, to be answered as problem JSON."""

    def __init__(self, status: int, code: str, **more: Any) -> None:
        super().__init__(code)
        self.status, self.code, self.more = status, code, more


class DropConnection(Exception):
    """Close the connection without an answer."""


@dataclass
class Answer:
    status: int
    body: dict[str, Any] | bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    trickles: bool = False


@dataclass
class Fault:
    endpoint: str
    act: Callable[[Callable[[], Answer]], Answer]
    times: int


class Faults:
    """Switches for the next calls of an endpoint: ``sessions``, ``sync``, ``start``, ``log``, ``finish``, …"""

    def __init__(self) -> None:
        self._planned: list[Fault] = []

    def drop_reply(self, endpoint: str, times: int = 1) -> None:
        """Carry the call out, then close the connection."""

        def act(call: Callable[[], Answer]) -> Answer:
            call()
            raise DropConnection

        self._planned.append(Fault(endpoint, act, times))

    def drop_request(self, endpoint: str, times: int = 1) -> None:
        """Close the connection without carrying the call out."""

        def act(call: Callable[[], Answer]) -> Answer:
            raise DropConnection

        self._planned.append(Fault(endpoint, act, times))

    def answer(self, endpoint: str, status: int, code: str = "", times: int = 1, **more: Any) -> None:
        """Answer this instead of carrying the call out."""

        def act(call: Callable[[], Answer]) -> Answer:
            raise Refused(status, code, **more)

        self._planned.append(Fault(endpoint, act, times))

    def delay(self, endpoint: str, seconds: float, times: int = 1) -> None:
        """Take long over the call."""

        def act(call: Callable[[], Answer]) -> Answer:
            time.sleep(seconds)
            return call()

        self._planned.append(Fault(endpoint, act, times))

    def trickle(self, endpoint: str, times: int = 1) -> None:
        """Carry the call out, and send the answer's body a little at a time."""

        def act(call: Callable[[], Answer]) -> Answer:
            answer = call()
            answer.trickles = True
            return answer

        self._planned.append(Fault(endpoint, act, times))

    def change(self, endpoint: str, content: bytes, times: int = 1) -> None:
        """Carry the call out, and answer with other bytes than there are."""

        def act(call: Callable[[], Answer]) -> Answer:
            answer = call()
            answer.body = content
            return answer

        self._planned.append(Fault(endpoint, act, times))

    def clear(self) -> None:
        self._planned.clear()

    def applied(self, endpoint: str, call: Callable[[], Answer]) -> Answer:
        for fault in self._planned:
            if fault.endpoint == endpoint and fault.times > 0:
                fault.times -= 1
                return fault.act(call)
        return call()
