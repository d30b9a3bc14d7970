"""A small orchestrator for the robot's tests: the robot API over real sockets, its memory in dictionaries.

It follows ``docs/robot-api.md`` to the letter, so that what the robot does against it is what it does against the
real one. Tests hand it jobs, make it fail on purpose (``Faults``), and look at what arrived.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import hmac
import json
import secrets
import socket
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

MACHINE_KEY = "bvm_for_tests"
API_KEY = "bvk_for_tests"

SETTINGS = {
    "sync_min": 0.1,
    "sync_max": 0.3,
    "wait_max": 5,
    "renew_every": 0.5,
    "lease_ttl": 6,
    "kill_grace": 2,
    "log_every": 0.1,
    "log_chunk_bytes": 262_144,
    "log_limit_bytes": 104_857_600,
    "result_limit_bytes": 1_048_576,
}


class Refused(Exception):
    """A refusal, to be answered as problem JSON."""

    def __init__(self, status: int, code: str, **more: Any) -> None:
        super().__init__(code)
        self.status, self.code, self.more = status, code, more


class DropConnection(Exception):
    """Close the connection without an answer."""


# What the server knows


def new_execution_id() -> str:
    return str(uuid.uuid4())


@dataclass
class Execution:
    lease_id: str
    job: Job
    number: int
    session: str
    wish: str
    id: str = field(default_factory=lambda: new_execution_id())
    status: str = "open"
    is_started: bool = False
    log: bytearray = field(default_factory=bytearray)
    report: dict[str, Any] | None = None
    renewals: list[dict[str, Any]] = field(default_factory=list)
    expires_at: float = 0.0

    def lines(self) -> list[dict[str, Any]]:
        """The log, line by line."""
        return [json.loads(line) for line in self.log.decode().splitlines()]

    def messages(self, *streams: str) -> list[str]:
        """What the lines say, of some streams or of all."""
        return [line["m"] for line in self.lines() if not streams or line["s"] in streams]


@dataclass
class Job:
    lease: dict[str, Any]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "pending"
    ask: str = "continue"
    executions: list[Execution] = field(default_factory=list)
    max_attempts: int = 3

    @property
    def last(self) -> Execution:
        return self.executions[-1]

    @property
    def report(self) -> dict[str, Any]:
        """What the robot last reported and the server accepted."""
        assert self.last.report is not None
        return self.last.report


# How it fails on purpose


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

    def clear(self) -> None:
        self._planned.clear()

    def applied(self, endpoint: str, call: Callable[[], Answer]) -> Answer:
        for fault in self._planned:
            if fault.endpoint == endpoint and fault.times > 0:
                fault.times -= 1
                return fault.act(call)
        return call()


@dataclass
class Answer:
    status: int
    body: dict[str, Any] | bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Request:
    endpoint: str
    body: Any
    headers: dict[str, str]


# The server


class StandIn:
    """One orchestrator with one tenant, one machine, and as many robots as enrol."""

    def __init__(self, **settings: Any) -> None:
        self.settings = SETTINGS | settings
        self.changed = threading.Condition(threading.RLock())
        self.faults = Faults()
        self.requests: list[Request] = []
        self.jobs: list[Job] = []
        self.late_results: list[dict[str, Any]] = []
        self.packages: dict[str, bytes] = {}
        self.uploads: list[bytes] = []
        self.tokens: dict[str, str] = {}
        self.signature: str | None = None
        self.slots = 1
        self.draining = False
        self.is_live = False
        self.epoch, self.tick = 1, 0
        self.session: str | None = None
        self.instance: str | None = None
        self.resume_secret: str | None = None
        self.last_sync: tuple[int, bytes] | None = None
        self.last_contact = 0.0
        self._wakes = 0
        self._connections: set[socket.socket] = set()
        self._listen(0)

    # Sockets

    def _listen(self, port: int) -> None:
        self._http = _Server(("127.0.0.1", port), self)
        self.port = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
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
                raise TimeoutError(f"jobs: {[(job.status, job.executions) for job in self.jobs]}")

    def wait_for_end(self, job: Job, seconds: float = 20) -> Job:
        """Wait until a job has ended and its log is complete."""
        self.wait_until(lambda: job.status in {"completed", "failed", "cancelled"}, seconds)
        self.wait_until(lambda: self._log_is_complete(job.last), seconds)
        return job

    def add_job(self, package: dict[str, Any] | None, command: str = "main:main", **lease: Any) -> Job:
        """A pending job for an entrypoint of a package, or for ``script_path``."""
        usual = {
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
            "entrypoint": {"name": "main", "command": command},
            "script_path": None,
            "package": package,
            "ttl": self.settings["lease_ttl"],
        }
        with self.changed:
            job = Job(usual | lease)
            self.jobs.append(job)
            self.wake()
            return job

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
            case "POST", ["api", "v1", "packages", "upload"]:
                return self._noted("upload", headers, None, lambda body: self._upload(headers, raw))
            case "POST", ["api", "v1", "runner", "register-robot"]:
                return self._noted("register", headers, raw, self._register)
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
            if headers.get("x-robot-token") not in self.tokens.values():
                raise Refused(401, "bad_token")
            return act(body)

        return call

    def _refuse(self, status: int, code: str) -> Answer:
        raise Refused(status, code)

    # Enrolling and sessions

    def _register(self, body: dict[str, Any]) -> Answer:
        if body["machine_key"] != MACHINE_KEY:
            raise Refused(401, "bad_machine_key")
        signature = normalised(body["machine_signature"])
        if self.signature not in {None, signature}:
            raise Refused(403, "machine_mismatch")
        self.signature = signature
        token = "bvr_" + hmac.new(body["machine_key"].encode(), body["name"].encode(), "sha256").hexdigest()
        self.tokens[body["name"]] = token
        robot_id = str(uuid.uuid5(uuid.NAMESPACE_DNS, body["name"]))
        answer = {"robot_id": robot_id, "machine_id": str(uuid.UUID(int=1)), "name": body["name"], "api_token": token}
        return Answer(200, answer)

    def _open_session(self, body: dict[str, Any]) -> Answer:
        if normalised(body["machine_signature"]) != self.signature:
            raise Refused(403, "machine_mismatch")
        is_resumed = body["resume_secret"] is not None and body["resume_secret"] == self.resume_secret
        is_fresh = time.monotonic() - self.last_contact < 30
        if self.session and is_fresh and not is_resumed and body["instance_id"] != self.instance:
            raise Refused(409, "session_in_use", headers={"Retry-After": "1"})
        verdicts = {lease: "lost" for lease in body["running"]}
        for execution in self._open_executions():
            if execution.lease_id in body["running"]:
                verdicts[execution.lease_id] = "continue"
                continue
            execution.status = "lost" if execution.is_started else "released"
            execution.job.status = "cancelled" if execution.job.status == "cancelling" else "pending"
        self.session, self.instance = str(uuid.uuid4()), body["instance_id"]
        self.resume_secret, self.last_sync = secrets.token_hex(8), None
        self.last_contact = time.monotonic()
        return Answer(201, {
            "session": self.session,
            "resume_secret": self.resume_secret,
            "robot": {"id": str(uuid.UUID(int=2)), "name": "robot", "tenant": "acme", "slots": self.slots, "labels": []},
            "leases": verdicts,
            "settings": self.settings,
            "epoch": self.epoch,
            "tick": self._next_tick(),
        })  # fmt: skip

    def _next_tick(self) -> int:
        self.tick += 1
        return self.tick

    def _open_executions(self) -> list[Execution]:
        return [job.last for job in self.jobs if job.executions and job.last.status == "open"]

    # Sync

    def _sync(self, body: dict[str, Any], raw: bytes) -> Answer:
        if body["session"] != self.session:
            raise Refused(409, "session_over")
        self._check_sequence(body["seq"], raw)
        self.last_contact = time.monotonic()
        leases = {told["lease"]: self._renew(told) for told in body["leases"]}
        grants = [grant for wish in body["wishes"] if (grant := self._grant(wish))]
        return Answer(200, {
            "seq": body["seq"],
            "leases": leases,
            "grants": grants,
            "next_sync_in": self.settings["wait_max"] if self.is_live and not grants else self.settings["sync_max"],
            "wait": {"url": f"{self.url}/live/wait", "ticket": f"ticket-{self._wakes}"} if self.is_live else None,
            "config": {"draining": self.draining, "slots": self.slots, "labels": []},
            "epoch": self.epoch,
            "tick": self._next_tick(),
        })  # fmt: skip

    def _check_sequence(self, seq: int, raw: bytes) -> None:
        if self.last_sync and self.last_sync[0] == seq and self.last_sync[1] != raw:
            raise Refused(409, "sequence_conflict")
        self.last_sync = (seq, raw)

    def _renew(self, told: dict[str, Any]) -> str:
        execution = self._execution(told["lease"])
        if execution is None or execution.status != "open":
            return "lost"
        execution.renewals.append(told)
        execution.expires_at = time.monotonic() + self.settings["lease_ttl"]
        return execution.job.ask

    def _grant(self, wish: str) -> dict[str, Any] | None:
        known = next((one for job in self.jobs for one in job.executions if one.wish == wish), None)
        if known is not None:
            return {"wish": wish, "lease": self._lease(known)} if known.status == "open" else None
        if self.draining or len(self._open_executions()) >= self.slots:
            return None
        job = next((job for job in self.jobs if job.status == "pending"), None)
        if job is None:
            return None
        execution = Execution(str(uuid.uuid4()), job, len(job.executions) + 1, str(self.session), wish)
        execution.expires_at = time.monotonic() + self.settings["lease_ttl"]
        job.executions.append(execution)
        job.status = "running"
        return {"wish": wish, "lease": self._lease(execution)}

    def _lease(self, execution: Execution) -> dict[str, Any]:
        return execution.job.lease | {
            "lease": execution.lease_id,
            "job": execution.job.id,
            "execution": execution.id,
            "number": execution.number,
            "effect_key": f"effect-of-{execution.job.id}",
        }

    def _execution(self, lease: str) -> Execution | None:
        return next((one for job in self.jobs for one in job.executions if one.lease_id == lease), None)

    def _known(self, lease: str) -> Execution:
        execution = self._execution(lease)
        if execution is None:
            raise Refused(404, "unknown")
        return execution

    # A lease's calls

    def _start(self, lease: str, body: dict[str, Any]) -> Answer:
        execution = self._known(lease)
        if execution.status != "open" or body["session"] != self.session:
            raise Refused(409, "revoked" if execution.status == "revoked" else "late")
        execution.is_started = True
        return Answer(200, {"answer": "started"})

    def _release(self, lease: str, body: dict[str, Any]) -> Answer:
        execution = self._known(lease)
        if execution.status not in {"open", "released"}:
            raise Refused(409, "late")
        if execution.status == "open":
            execution.status, execution.job.status = "released", "pending"
        return Answer(200, {"answer": "released"})

    def _log(self, lease: str, offset: int, headers: dict[str, str], raw: bytes) -> Answer:
        log = self._known(lease).log
        plain = gzip.decompress(raw) if headers.get("content-encoding") == "gzip" else raw
        if len(plain) > self.settings["log_chunk_bytes"]:
            raise Refused(413, "too_large")
        if f"{zlib.crc32(plain):08x}" != headers["x-chunk-crc32"]:
            raise Refused(400, "bad_crc")
        if offset > len(log):
            raise Refused(416, "log_gap", offset=len(log))
        known = bytes(log[offset : offset + len(plain)])
        if known != plain[: len(known)]:
            raise Refused(409, "log_differs")
        room = self.settings["log_limit_bytes"] - len(log)
        fresh = plain[len(known) :]
        log += fresh[:room]
        truncated = {"X-Log-Truncated": "true"} if len(fresh) > room else {}
        return Answer(204, None, {"X-Log-Offset": str(len(log))} | truncated)

    def _finish(self, lease: str, report: dict[str, Any]) -> Answer:
        execution = self._execution(lease)
        if execution is None:
            raise Refused(404, "unknown")
        assert report["digest"] == digest_of(report), "the digest does not fit the report"
        if execution.status == "revoked":
            return self._kept_aside(report, "revoked")
        if execution.report is not None:
            is_same = execution.report["digest"] == report["digest"]
            if not is_same:
                return self._kept_aside(report, "conflict")
            return self._when_log_is_there(execution, {"answer": "duplicate"})
        if execution.status in {"lost", "released"}:
            return self._late(execution, report)
        self._close(execution, report)
        return self._when_log_is_there(execution, {"answer": "accepted"})

    def _close(self, execution: Execution, report: dict[str, Any]) -> None:
        execution.report, execution.status = report, report["outcome"]
        is_cancelling = execution.job.ask == "cancel"
        cancelled = is_cancelling and report["outcome"] != "completed"
        execution.job.status = "cancelled" if cancelled else report["outcome"]

    def _late(self, execution: Execution, report: dict[str, Any]) -> Answer:
        is_latest = execution.job.last is execution and execution.job.status == "pending"
        if report["outcome"] != "completed" or not is_latest:
            return self._kept_aside(report, "late")
        self._close(execution, report)
        execution.status = "adopted"
        return self._when_log_is_there(execution, {"answer": "accepted", "adopted": True})

    def _kept_aside(self, report: dict[str, Any], kind: str) -> Answer:
        self.late_results.append({"kind": kind, "report": report})
        raise Refused(409, kind)

    def _when_log_is_there(self, execution: Execution, answer: dict[str, Any]) -> Answer:
        if self._log_is_complete(execution):
            return Answer(200, answer)
        return Answer(202, {"answer": "send_log", "offset": len(execution.log)})

    def _log_is_complete(self, execution: Execution) -> bool:
        if execution.report is None:
            return False
        told = execution.report["log"]
        if len(execution.log) >= self.settings["log_limit_bytes"]:
            return True
        return told["length"] == len(execution.log) and told["crc32"] == f"{zlib.crc32(execution.log):08x}"

    # Packages and waiting

    def _download(self, version: str) -> Answer:
        content = self.packages.get(version)
        if content is None:
            raise Refused(404, "not_found")
        sha256 = hashlib.sha256(content).hexdigest()
        return Answer(200, content, {"ETag": f'"{sha256}"', "X-Content-SHA256": sha256})

    def _upload(self, headers: dict[str, str], raw: bytes) -> Answer:
        if headers.get("authorization") != f"Bearer {API_KEY}":
            raise Refused(401, "bad_key")
        self.uploads.append(raw)
        return Answer(201, {"name": "invoices", "version": "1.0.0"})

    def _wait(self, headers: dict[str, str]) -> Answer:
        known = int(headers["x-wait-ticket"].rpartition("-")[2])
        with self.changed:
            is_woken = self.changed.wait_for(lambda: self._wakes > known, self.settings["wait_max"])
        return Answer(200, {"wake": is_woken})


def normalised(signature: str) -> str:
    """A machine's signature as the server keeps it."""
    if len(signature) == 64 and all(character in "0123456789abcdef" for character in signature):
        return signature
    return hashlib.sha256(" ".join(signature.split()).lower().encode()).hexdigest()


def digest_of(report: dict[str, Any]) -> str:
    told = {name: report[name] for name in ("outcome", "result", "error")}
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


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
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = _serve

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""
