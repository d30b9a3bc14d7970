"""A network that fails: a small HTTP proxy that loses, doubles, delays and withholds what passes through it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Self

BACKLOG = 128
READ_SECONDS = 60.0


class Fault(Enum):
    """What happens to one request."""

    NONE = "passes"
    LOSE_REQUEST = "the connection breaks before the server sees it"
    LOSE_REPLY = "the server answers, and the connection breaks"
    TWICE = "the server gets it twice, one after the other; the second answer is given"
    TWICE_AT_ONCE = "the server gets it twice at the same moment; one of the answers is given"
    DELAY = "the answer comes late"


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came, whole."""

    method: str
    path: str
    raw: bytes


class Broken(Exception):
    """A connection ended inside a message."""


class FaultProxy:
    """Listens on a port of its own and passes each request on to ``target``, a port of loopback.

    ``decide`` names the fault of each request; it is called from several threads and may be replaced at any time.
    ``witness`` sees each answer of the server before it is passed on, with the request, and may end who waits for it.
    ``seen`` counts what has happened. While it is frozen, nothing is passed on and nothing is closed: what is connected
    hangs, and so does what connects.
    """

    def __init__(self, target: int, decide: Callable[[Request], Fault] = lambda request: Fault.NONE) -> None:
        self.decide = decide
        self.witness: Callable[[Request, bytes], None] = lambda request, reply: None
        self.seen: Counter[Fault] = Counter()
        self.delay = 0.5
        self._target = target
        self._moving = threading.Event()
        self._moving.set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self._open: set[socket.socket] = set()
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, name="fault-proxy", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def freeze(self) -> None:
        """Stop passing anything on, without closing anything."""
        self._moving.clear()

    def thaw(self) -> None:
        """Go on; what hung goes through."""
        self._moving.set()

    def once(self, fault: Fault, path: str) -> None:
        """Give the next request whose path ends so this fault, and all others none."""
        left = threading.Semaphore(1)

        def decide(request: Request) -> Fault:
            is_it = request.path.endswith(path) and left.acquire(blocking=False)
            return fault if is_it else Fault.NONE

        self.decide = decide

    def close(self) -> None:
        """Hang up on everybody."""
        self.thaw()
        self._listener.close()
        for connection in list(self._open):
            _hang_up(connection)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[client], name="fault-proxy", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._open.add(client)
        client.settimeout(READ_SECONDS)
        with contextlib.suppress(OSError, Broken):
            self._moving.wait()
            raw = _message(client)
            method, path, _ = raw.split(b" ", 2)
            reply = self._carry(Request(method.decode(), path.decode(), raw))
            self._moving.wait()
            client.sendall(reply)
        self._open.discard(client)
        _hang_up(client)

    def _carry(self, request: Request) -> bytes:
        """Return the answer that the client gets; empty where it gets none."""
        self._moving.wait()
        fault = self.decide(request)
        try:
            return self._suffer(fault, request)
        finally:
            self.seen[fault] += 1

    def _suffer(self, fault: Fault, request: Request) -> bytes:
        match fault:
            case Fault.LOSE_REQUEST:
                return b""
            case Fault.LOSE_REPLY:
                self._ask(request)
                return b""
            case Fault.TWICE:
                self._ask(request)
                return self._ask(request)
            case Fault.TWICE_AT_ONCE:
                other = threading.Thread(target=self._ask_quietly, args=[request], daemon=True)
                other.start()
                reply = self._ask(request)
                other.join(READ_SECONDS)
                return reply
            case Fault.DELAY:
                reply = self._ask(request)
                time.sleep(self.delay)
                return reply
            case _:
                return self._ask(request)

    def _ask_quietly(self, request: Request) -> None:
        with contextlib.suppress(OSError, Broken):
            self._ask(request)

    def _ask(self, request: Request) -> bytes:
        """Send a request to the server on a connection of its own and return the whole answer."""
        with socket.create_connection(("127.0.0.1", self._target), timeout=READ_SECONDS) as server:
            server.sendall(_closing(request.raw))
            parts = []
            while data := server.recv(65536):
                parts.append(data)
        if not parts:
            raise Broken
        reply = b"".join(parts)
        self.witness(request, reply)
        return reply


def _message(connection: socket.socket) -> bytes:
    """Read one request, whose body is as long as its head says."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        raw += _some(connection)
    head, _, body = raw.partition(b"\r\n\r\n")
    length = _length(head)
    while len(body) < length:
        body += _some(connection)
    return head + b"\r\n\r\n" + body


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise Broken
    return data


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


def _closing(raw: bytes) -> bytes:
    """Return the request with the wish to close the connection after the answer, so that its end is seen."""
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
