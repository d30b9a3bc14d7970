"""A server of others, in place of one that is called over the network."""

from __future__ import annotations

import contextlib
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass
class Seen:
    """A request that came."""

    method: str
    target: str
    headers: Any
    body: bytes


class StandIn:
    """Answers by path with what ``answers`` says: a status, a body, headers; or whatever a function does."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.requests: list[Seen] = []
        self.is_over = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                server.requests.append(Seen(self.command, self.path, self.headers, body))
                answer = server.answers.get(self.path.partition("?")[0], (404, {}))
                if callable(answer):
                    answer = answer(self)
                if answer is not None:
                    server.reply(self, *answer)

            do_POST = do_GET  # noqa: N815 - the name that the library calls

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if not self.is_over.is_set():
            self.is_over.set()
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def reply(self, handler: Any, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        with contextlib.suppress(OSError):  # The caller may have had enough.
            handler.wfile.write(data)

    def drip(self, handler: Any) -> None:
        """Answer a byte at a time, until the test is over."""
        handler.send_response(200)
        handler.end_headers()
        while not self.is_over.wait(0.05):
            try:
                handler.wfile.write(b"x")
            except OSError:
                return

    def cut(self, handler: Any) -> None:
        """Promise more than comes."""
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"{")
