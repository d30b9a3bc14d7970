"""Steps that a job traces: what went in, what came out, how long it took."""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timezone
from typing import Any

from bv_robot.job import channel, connection

_UTC = timezone.utc  # noqa: UP017 - the other name came with Python 3.11.

LARGEST_PAYLOAD = 32 * 1024
"""Bytes of JSON of an input or output; a larger one is only measured."""
MOST_BYTES = 8 * 1024 * 1024
"""Bytes that wait in memory for the orchestrator; beyond them the oldest spans are given up."""
BATCH_BYTES = 512 * 1024
BATCH = 200
SEND_EVERY = 2.0
LAST_SECONDS = 5.0
"""Seconds that sending may take at the job's end."""

_current: ContextVar[str] = ContextVar("bv_robot_span", default="")
Told = dict


class Span:
    """A step that is being traced. Set ``output`` to what came out; ``tags`` may be added to."""

    def __init__(self, name: str, input: Any, tags: dict[str, Any]) -> None:
        self.name, self.input, self.tags = name, input, tags
        self.id = uuid.uuid4().hex
        self.output: Any = None


@contextmanager
def span(name: str, /, input: Any = None, **tags: Any) -> Iterator[Span]:
    """Trace a step; steps inside it become its children, also across ``await``.

    It is sent to the orchestrator in the background. That never fails the job: what cannot be sent is left out, and
    the log says how many.
    """
    step = Span(name, input, tags)
    parent = _current.get()
    mark = _current.set(step.id)
    began, clock = datetime.now(_UTC), time.monotonic()
    status = "ok"
    try:
        yield step
    except BaseException as error:
        status = "error"
        if step.output is None:
            step.output = {"error": f"{type(error).__name__}: {error}"}
        raise
    finally:
        _current.reset(mark)
        _collect(_told(step, parent, status, began, time.monotonic() - clock))


def _told(step: Span, parent: str, status: str, began: datetime, seconds: float) -> Told:
    ended = datetime.fromtimestamp(began.timestamp() + seconds, _UTC)
    return {
        "name": step.name[:200],
        "spanId": step.id,
        "parentSpanId": parent or None,
        "status": status,
        "startTime": began.isoformat(),
        "endTime": ended.isoformat(),
        "durationMs": round(seconds * 1000, 3),
        "input": _payload(step.input),
        "output": _payload(step.output),
        "tags": _payload(step.tags),
    }


def _payload(value: Any) -> Any:
    try:
        text = json.dumps(value, default=str, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        text = json.dumps(repr(value))
    return json.loads(text) if len(text) <= LARGEST_PAYLOAD else {"left_out": len(text)}


class Outbox:
    """Spans on their way, of one process. A thread sends them; a lock is held only to hand them over."""

    def __init__(self, execution: str) -> None:
        self._path = f"/agent-traces/{execution}/spans"
        self._head = f'{{"traceId": {json.dumps(execution)}, "spans": ['
        self._waiting: deque[str] = deque()
        self._bytes = self._left_out = 0
        self._is_refused = False
        self._lock, self._sending, self._end = threading.Lock(), threading.Lock(), threading.Event()
        threading.Thread(target=self._run, name="spans", daemon=True).start()

    def add(self, text: str) -> None:
        """Take one span, as JSON."""
        with self._lock:
            self._waiting.append(text)
            self._bytes += len(text)
            while self._bytes > MOST_BYTES:
                self._bytes -= len(self._waiting.popleft())
                self._left_out += 1

    def _run(self) -> None:
        while not self._end.wait(SEND_EVERY):
            self._send(LAST_SECONDS)

    def _send(self, seconds: float) -> None:
        """Send what waits, until it is gone, cannot be sent now, or the time is up."""
        until = time.monotonic() + seconds
        if not self._sending.acquire(timeout=seconds):
            return
        try:
            while (left := until - time.monotonic()) > 0 and (batch := self._take()):
                if not self._send_batch(batch, left):
                    return
        finally:
            self._sending.release()

    def _send_batch(self, batch: list[str], seconds: float) -> bool:
        body = f"{self._head}{', '.join(batch)}]}}".encode()
        try:
            if not self._is_refused:
                connection.call("POST", self._path, body, seconds=seconds)
                return True
        except connection.Refused as refusal:
            self._is_refused = refusal.status in {401, 403, 404}
        except connection.OrchestratorError:
            self._put_back(batch)
            return False
        self._left_out += len(batch)
        return True

    def _take(self) -> list[str]:
        batch: list[str] = []
        size = 0
        with self._lock:
            while self._waiting and len(batch) < BATCH and size < BATCH_BYTES:
                batch.append(self._waiting.popleft())
                size += len(batch[-1])
            self._bytes -= size
        return batch

    def _put_back(self, batch: list[str]) -> None:
        with self._lock:
            self._waiting.extendleft(reversed(batch))
            self._bytes += sum(map(len, batch))

    def finish(self) -> None:
        """Send the rest at the job's end, for a few seconds at most, and say what could not be sent."""
        self._end.set()
        self._send(LAST_SECONDS)
        left_out = self._left_out + len(self._waiting)
        if left_out:
            channel.log(f"{left_out} spans could not be sent to the orchestrator and are left out.", "WARN")


_outboxes: dict[int, Outbox] = {}
_making = threading.Lock()


def _collect(told: Told) -> None:
    """Hand a span over, where there is an orchestrator for it. A fork begins an outbox of its own."""
    try:
        known = connection.facts()
    except connection.NotConnected:
        return
    with _making:
        if os.getpid() not in _outboxes:
            _outboxes.clear()
            _outboxes[os.getpid()] = Outbox(known["execution"])
            channel.connection().at_end[:] = [_outboxes[os.getpid()].finish]
    _outboxes[os.getpid()].add(json.dumps(told))
