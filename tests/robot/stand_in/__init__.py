"""A small orchestrator for the robot's tests: the robot API over real sockets, its memory in dictionaries.

It follows ``docs/robot-api.md`` to the letter, so that what the robot does against it is what it does against the
real one. Tests hand it jobs, make it fail on purpose (``faults``), and look at what arrived.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.robot.stand_in.decisions import API_KEY, ENROLMENT_KEY, MACHINE_KEY, Decisions, Request
from tests.robot.stand_in.faults import Answer, DropConnection, Refused
from tests.robot.stand_in.records import Job

LITTLE = 70_000
"""Bytes that a trickling answer sends at a time."""

__all__ = ["API_KEY", "ENROLMENT_KEY", "MACHINE_KEY", "Job", "StandIn"]


class StandIn(Decisions):
    """One orchestrator with one tenant, one machine, and as many robots as enrol."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self._tls = tls
        self._connections: set[socket.socket] = set()
        self._listen(0)

    # Sockets

    def _listen(self, port: int) -> None:
        self._http = _Server(("127.0.0.1", port), self)
        self.port = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        if self._tls:
            # Hands are shaken by each connection's own thread, so that none holds the others up.
            self._http.socket = self._tls.wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False
            )
            self.url = f"https://127.0.0.1:{self.port}"
        threading.Thread(target=self._http.serve_forever, args=[0.02], daemon=True).start()

    def close(self) -> None:
        """Go away: refuse new connections and break those there are."""
        self._http.shutdown()
        self._http.server_close()
        with self.changed:
            connections, self._connections = self._connections, set()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Be away for a while, and come back at the same address."""
        self.close()
        try:
            yield
        finally:
            self._listen(self.port)

    def opened(self, connection: socket.socket) -> None:
        with self.changed:
            self._connections.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self.changed:
            self._connections.discard(connection)

    # What tests do

    def wait_until(self, condition: Callable[[], Any], seconds: float = 20) -> None:
        """Wait until something is true of this server.

        Raises:
            TimeoutError: when it does not become so; a limit against hanging, nothing is measured by it.
        """
        with self.changed:
            if not self.changed.wait_for(condition, seconds):
                states = [(job.status, [execution.status for execution in job.executions]) for job in self.jobs]
                raise TimeoutError(f"jobs and their executions: {states}")

    def wait_for_end(self, job: Job, seconds: float = 20) -> Job:
        """Wait until a job has ended and its log is complete."""
        self.wait_until(lambda: job.status in {"completed", "failed", "cancelled"}, seconds)
        self.wait_until(lambda: self._log_is_complete(job.last), seconds)
        return job

    def add_job(
        self, package: dict[str, Any] | None, command: str = "main:main", *, max_attempts: int = 3, **lease: Any
    ) -> Job:
        """A pending job for an entrypoint of a package, or for ``script_path``."""
        with self.changed:
            job = Job(self._lease_of(package, command) | lease, max_attempts=max_attempts)
            self.jobs.append(job)
            self.wake()
            return job

    def offer(self, name: str, package: dict[str, Any]) -> None:
        """Have a process that jobs may start by its name."""
        process = {"id": str(uuid.uuid4()), "name": name}
        self.processes[name] = self._lease_of(package, "main:main") | {"process": process}

    def _lease_of(self, package: dict[str, Any] | None, command: str) -> dict[str, Any]:
        return {
            "start_within": 30,
            "timeout": None,
            "kill_grace": self.settings["kill_grace"],
            "kind": "rpa",
            "executor": "robot",
            "tenant": "acme",
            "folder": {"id": str(uuid.uuid4()), "name": "Shared"},
            "process": {"id": str(uuid.uuid4()), "name": "Invoices"},
            "parameters": {},
            "queue_item_ids": [],
            "queue_items": [],
            "entrypoint": {"name": "main", "command": command},
            "script_path": None,
            "package": package,
        }

    def add_package(self, content: bytes, name: str = "invoices", python_version: str = "") -> dict[str, Any]:
        """Store a package and return what a lease says about it."""
        sha256 = hashlib.sha256(content).hexdigest()
        version_id = str(uuid.uuid4())
        self.packages[version_id] = content
        return {
            "id": version_id,
            "name": name,
            "version": "1.0.0",
            "sha256": sha256,
            "size": len(content),
            "python_version": python_version,
            "download_url": f"/api/v1/runner/packages/{version_id}/download",
        }

    def ask(self, job: Job, what: str) -> None:
        """``stop``, ``cancel`` or ``kill`` a job; a kill revokes its lease at once."""
        with self.changed:
            job.ask = what
            self.wake()

    def lose(self, job: Job) -> None:
        """The sweep: the lease has run out, and the job may go to somebody else."""
        with self.changed:
            job.last.status = "lost"
            job.status = "pending" if len(job.executions) < job.max_attempts else "failed"
            self.changed.notify_all()

    def wake(self) -> None:
        with self.changed:
            self._wakes += 1
            self.changed.notify_all()

    def calls(self, endpoint: str) -> list[Request]:
        with self.changed:
            return [request for request in self.requests if request.endpoint == endpoint]

    # The wire

    def handle(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> Answer:
        """Answer one request."""
        url = urlsplit(target)
        parts = [part for part in url.path.split("/") if part]
        endpoint, call = self._route(method, parts, parse_qs(url.query), headers, raw)
        try:
            answer = self.faults.applied(endpoint, call)
        except Refused as refusal:
            problem = {"type": "about:blank", "title": refusal.code, "status": refusal.status, "code": refusal.code}
            more = dict(refusal.more)
            given = more.pop("headers", {})
            answer = Answer(refusal.status, problem | {"detail": refusal.code, "errors": []} | more, given)
        finally:
            with self.changed:
                self.changed.notify_all()
        return answer

    def _route(
        self, method: str, parts: list[str], query: dict[str, list[str]], headers: dict[str, str], raw: bytes
    ) -> tuple[str, Callable[[], Answer]]:
        match method, parts:
            case "GET", ["live", "wait"]:
                return self._noted("wait", headers, None, lambda body: self._wait(headers))
            case "GET", ["api", "v1", "health", "live"]:
                return self._noted("health", headers, None, lambda body: Answer(200, {"status": "ok"}))
            case "POST", ["api", "v1", "packages", "upload"]:
                return self._noted("upload", headers, None, lambda body: self._upload(headers, raw))
            case "POST", ["api", "v1", "runner", "register-robot"]:
                return self._noted("register", headers, raw, self._register)
            case "POST", ["api", "v1", "runner", "rotate-token"]:
                return self._noted("rotate", headers, raw, self._signed(headers, lambda _: self._rotate(headers)))
            case "POST", ["api", "v1", "runner", "deregister"]:
                token = headers.get("x-robot-token", "")
                act_leave = self._signed(headers, lambda body: self._deregister(body, token))
                return self._noted("deregister", headers, raw, act_leave)
            case "POST", ["api", "v1", "runner", "sessions"]:
                return self._noted("sessions", headers, raw, self._signed(headers, self._open_session))
            case "POST", ["api", "v1", "runner", "sync"]:
                return self._noted("sync", headers, raw, self._signed(headers, lambda body: self._sync(body, raw)))
            case "POST", ["api", "v1", "runner", "leases", lease, "start" | "finish" | "release" as verb]:
                act = {"start": self._start, "finish": self._finish, "release": self._release}[verb]
                return self._noted(verb, headers, raw, self._signed(headers, lambda body: act(lease, body)))
            case "PUT", ["api", "v1", "runner", "leases", lease, "log"]:
                offset = int(query["offset"][0])
                act_log = self._signed(headers, lambda body: self._log(lease, offset, headers, raw))
                return self._noted("log", headers, None, act_log)
            case "PUT", ["api", "v1", "runner", "leases", lease, "artefacts"]:
                name = query["name"][0]
                act_file = self._signed(headers, lambda body: self._artefact(lease, name, headers, raw))
                return self._noted("artefact", headers, None, act_file)
            case "POST", ["api", "v1", "agent-traces", execution, "spans"]:
                return self._noted("spans", headers, raw, lambda body: self._spans(execution, headers, body))
            case "POST", ["api", "v1", "runtime", "jobs"]:
                return self._noted("children", headers, raw, lambda body: self._start_child(headers, body))
            case "GET", ["api", "v1", "runtime", "jobs", child]:
                return self._noted("child", headers, None, lambda _: self._child(child, headers))
            case "POST", ["api", "v1", "runtime", "jobs", child, "cancel"]:
                return self._noted("cancel_child", headers, raw, lambda _: self._cancel_child(child, headers))
            case "POST", ["api", "v1", "runtime", "item-leases", lease, verb]:
                return self._noted("item", headers, raw, lambda body: self._item_said(lease, verb, headers, body))
            case _, ["api", "v1", "runtime", "file-stores", _, "files", *name]:
                return self._noted("file", headers, None, lambda _: self._file(method, "/".join(name), headers, raw))
            case "GET", ["api", "v1", "runner", "packages"]:
                asked = query.get("process", [])
                return self._noted(
                    "packages", headers, None, self._signed(headers, lambda _: self._packages_to_run(asked))
                )
            case "GET", ["api", "v1", "runner", "packages", version, "download"]:
                return self._noted("download", headers, None, self._signed(headers, lambda _: self._download(version)))
        return self._noted("unknown", headers, None, lambda body: self._refuse(404, "not_found"))

    def _noted(
        self, endpoint: str, headers: dict[str, str], raw: bytes | None, act: Callable[[Any], Answer]
    ) -> tuple[str, Callable[[], Answer]]:
        body = json.loads(raw) if raw else None
        with self.changed:
            self.requests.append(Request(endpoint, body, headers))
            self.changed.notify_all()
        if endpoint in {"wait", "download"}:  # They take long, so they must not hold the others up.
            return endpoint, lambda: act(body)

        def call() -> Answer:
            with self.changed:
                return act(body)

        return endpoint, call

    def _signed(self, headers: dict[str, str], act: Callable[[Any], Answer]) -> Callable[[Any], Answer]:
        def call(body: Any) -> Answer:
            if headers.get("x-robot-token") not in {*self.tokens.values(), *self.former_tokens}:
                raise Refused(401, "bad_token")
            self.here = self.presences[headers["x-robot-token"]]
            return act(body)

        return call

    def _refuse(self, status: int, code: str) -> Answer:
        raise Refused(status, code)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], stand_in: StandIn) -> None:
        self.stand_in = stand_in
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Broken connections are what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.stand_in.opened(self.connection)

    def finish(self) -> None:
        self.server.stand_in.closed(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def _serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            answer = self.server.stand_in.handle(self.command, self.path, headers, raw)
        except DropConnection:
            self.close_connection = True
            return
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        content = b"" if answer.body is None else content
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        step, pause = (LITTLE, 0.5) if answer.trickles else (len(content) or 1, 0.0)
        for start in range(0, len(content), step):
            self.wfile.write(content[start : start + step])
            time.sleep(pause)

    do_GET = do_POST = do_PUT = _serve  # noqa: N815 - names of the standard library.

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""
