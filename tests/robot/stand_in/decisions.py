"""What the stand-in orchestrator answers: the rules of ``docs/robot-api.md``."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import secrets
import threading
import time
import uuid
import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from tests.robot.stand_in.faults import Answer, Faults, Refused
from tests.robot.stand_in.of_jobs import OfJobs
from tests.robot.stand_in.records import Execution, Job

MACHINE_KEY = "bvm_for_tests"
ENROLMENT_KEY = "bvt_for_tests"
API_KEY = "bvk_for_tests"
MACHINE_NAME = "host-1"
ROBOT_ID = str(uuid.UUID(int=2))

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


@dataclass
class Request:
    endpoint: str
    body: Any
    headers: dict[str, str]


@dataclass
class Presence:
    """What the stand-in remembers of one robot."""

    session: str | None = None
    instance: str | None = None
    resume_secret: str | None = None
    last_sync: tuple[int, bytes] | None = None
    last_contact: float = 0.0
    sessions: set[str] = field(default_factory=set)


class Decisions(OfJobs):
    """The robot API as functions from a body to an answer, over one memory. Its caller holds ``changed``."""

    def __init__(self, **settings: Any) -> None:
        self.settings = SETTINGS | settings
        self.changed = threading.Condition(threading.RLock())
        self.faults = Faults()
        self.requests: list[Request] = []
        self.jobs: list[Job] = []
        self.late_results: list[dict[str, Any]] = []
        self.packages: dict[str, bytes] = {}
        self.processes: list[tuple[str, dict[str, Any]]] = []
        """Names of processes that a robot could run, with their packages as in a lease."""
        self.uploads: list[bytes] = []
        self.tokens: dict[str, str] = {}
        self.robots = uuid.uuid4()
        self.signature: str | None = None
        self.slots = 1
        self.draining = False
        self.is_live = False
        self.speaks = {1}
        self.pushed: dict[str, Any] = {}
        self.watched: list[Job] = []
        self.token_expires_in: float | None = None
        self.lifetime_of_fresh_tokens: float | None = None
        self.former_tokens: set[str] = set()
        self.gives_job_tokens = True
        self.artefact_limit = 100 * 1024 * 1024
        self.processes: dict[str, dict[str, Any]] = {}
        self.children: dict[str, Job] = {}
        self.said_of_items: list[tuple[str, str, Any]] = []
        self.stored: dict[str, bytes] = {}
        self.epoch, self.tick = 1, 0
        self.presences: defaultdict[str, Presence] = defaultdict(Presence)
        self.here = Presence()
        """The robot that speaks; between two calls the one that spoke last."""
        self._wakes = 0

    @property
    def session(self) -> str | None:
        return self.here.session

    @session.setter
    def session(self, session: str | None) -> None:
        self.here.session = session

    # Enrolling and sessions

    def _register(self, body: dict[str, Any]) -> Answer:
        if body["machine_key"] not in {MACHINE_KEY, ENROLMENT_KEY}:
            raise Refused(401, "bad_machine_key")
        signature = normalised(body["machine_signature"])
        if body.get("machine_name", MACHINE_NAME) != MACHINE_NAME:
            raise Refused(403, "machine_mismatch")
        if self.signature not in {None, signature}:
            raise Refused(403, "machine_mismatch")
        self.signature = signature
        robot_id = str(uuid.uuid5(self.robots, body["name"]))
        token = "bvr_" + hmac.new(body["machine_key"].encode(), robot_id.encode(), "sha256").hexdigest()
        self.tokens[body["name"]] = token
        answer = {"robot_id": robot_id, "machine_id": str(uuid.UUID(int=1)), "name": body["name"], "api_token": token}
        return Answer(200, answer)

    def _rotate(self, headers: dict[str, str]) -> Answer:
        """A fresh token for whoever signed; the one that signed goes on."""
        name = next(iter(self.tokens))
        self.former_tokens.add(headers["x-robot-token"])
        self.tokens[name] = f"bvr_{secrets.token_hex(16)}"
        self.presences[self.tokens[name]] = self.here
        self.token_expires_in = self.lifetime_of_fresh_tokens
        return Answer(200, {"api_token": self.tokens[name], "expires_in": self.token_expires_in})

    def _deregister(self, body: dict[str, Any], token: str) -> Answer:
        if self._open_executions():
            raise Refused(409, "robot_busy")
        self.tokens = {name: known for name, known in self.tokens.items() if known != token}
        return Answer(200, {"answer": "deregistered"})

    def _open_session(self, body: dict[str, Any]) -> Answer:
        if not self.speaks & set(body["protocols"]):
            is_old = max(body["protocols"]) < min(self.speaks)
            raise Refused(409, "robot_too_old" if is_old else "robot_too_new", detail=f"Wanted: {min(self.speaks)}.")
        if normalised(body["machine_signature"]) != self.signature:
            raise Refused(403, "machine_mismatch")
        is_resumed = body["resume_secret"] is not None and body["resume_secret"] == self.here.resume_secret
        is_fresh = time.monotonic() - self.here.last_contact < 30
        if self.here.session and is_fresh and not is_resumed and body["instance_id"] != self.here.instance:
            raise Refused(409, "session_in_use", headers={"Retry-After": "1"})
        verdicts = dict.fromkeys(body["running"], "lost")
        for execution in self._open_executions():
            if execution.lease_id in body["running"]:
                verdicts[execution.lease_id] = "continue"
                continue
            execution.status = "lost" if execution.is_started else "released"
            execution.job.status = "cancelled" if execution.job.status == "cancelling" else "pending"
        self.here.session, self.here.instance = str(uuid.uuid4()), body["instance_id"]
        self.here.sessions.add(self.here.session)
        self.here.resume_secret, self.here.last_sync = secrets.token_hex(8), None
        self.here.last_contact = time.monotonic()
        return Answer(201, {
            "session": self.session,
            "resume_secret": self.here.resume_secret,
            "robot": {"id": ROBOT_ID, "name": "robot", "tenant": "acme", "slots": self.slots, "labels": [],
                      "token_expires_in": self.token_expires_in},
            "protocol": 1,
            "config": self._config(),
            "leases": verdicts,
            "settings": self.settings,
            "epoch": self.epoch,
            "tick": self._next_tick(),
        })  # fmt: skip

    def _next_tick(self) -> int:
        self.tick += 1
        return self.tick

    def _open_executions(self) -> list[Execution]:
        last = [job.last for job in self.jobs if job.executions]
        return [
            execution for execution in last if execution.status == "open" and execution.session in self.here.sessions
        ]

    # Sync

    def _sync(self, body: dict[str, Any], raw: bytes) -> Answer:
        if body["session"] != self.session:
            raise Refused(409, "session_over")
        self._check_sequence(body["seq"], raw)
        self.here.last_contact = time.monotonic()
        leases = {told["lease"]: self._renew(told) for told in body["leases"]}
        grants = [grant for wish in body["wishes"] if (grant := self._grant(wish))]
        return Answer(200, {
            "seq": body["seq"],
            "leases": leases,
            "grants": grants,
            "next_sync_in": self.settings["wait_max"] if self.is_live and not grants else self.settings["sync_max"],
            "wait": {"url": f"{self.url}/live/wait", "ticket": f"ticket-{self._wakes}"} if self.is_live else None,
            "config": self._config(),
            "watched": [job.last.lease_id for job in self.watched],
            "epoch": self.epoch,
            "tick": self._next_tick(),
        })  # fmt: skip

    def _config(self) -> dict[str, Any]:
        told = {"draining": self.draining, "slots": self.slots, "labels": ["invoices"], "settings": self.pushed}
        return told | {"token_expires_in": self.token_expires_in}

    def _check_sequence(self, seq: int, raw: bytes) -> None:
        if self.here.last_sync and self.here.last_sync[0] == seq and self.here.last_sync[1] != raw:
            raise Refused(409, "sequence_conflict")
        self.here.last_sync = (seq, raw)

    def _renew(self, told: dict[str, Any]) -> str:
        execution = self._execution(told["lease"])
        if execution is None or execution.status != "open":
            return "lost"
        execution.renewals.append(told)
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
        job.executions.append(execution)
        job.status = "running"
        return {"wish": wish, "lease": self._lease(execution)}

    def _lease(self, execution: Execution) -> dict[str, Any]:
        return (
            {"ttl": self.settings["lease_ttl"]}
            | execution.job.lease
            | {
                "lease": execution.lease_id,
                "job": execution.job.id,
                "execution": execution.id,
                "number": execution.number,
                "effect_key": f"effect-of-{execution.job.id}",
            }
        )

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
        token = {"job_token": self.job_token(execution)} if self.gives_job_tokens else {}
        return Answer(200, {"answer": "started"} | token)

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

    def _packages_to_run(self, processes: list[str]) -> Answer:
        named = [(name, package) for name, package in self.processes if not processes or name in processes]
        items = [{"process": {"id": str(uuid.uuid4()), "name": name}, "package": package} for name, package in named]
        return Answer(200, {"items": items})

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
        return Answer(201, {"id": str(uuid.uuid4()), "package": {"name": "invoices"}, "version": "1.0.0"})

    def _wait(self, headers: dict[str, str]) -> Answer:
        if "x-wait-ticket" not in headers:
            raise Refused(401, "bad_ticket")
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
