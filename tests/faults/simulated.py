"""Light robots: threads that speak the robot API, keep a spool, crash when told to, and write down all they know.

What they write down is the client log of ``manage.py verify_invariants``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

ANSWER_SECONDS = 3.0
PAUSE = 0.1
FINAL = {200, 202, 409}


class ClientLog:
    """What robots and callers asked and were told, from all threads."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def add(self, kind: str, **facts: Any) -> None:
        """Write one fact down."""
        with self._lock:
            self.lines.append({"kind": kind, **{name: str(value) for name, value in facts.items()}})

    def count(self, kind: str, **facts: Any) -> int:
        """Return how many facts of a kind there are that agree with these."""
        with self._lock:
            wanted = {"kind": kind, **facts}.items()
            return sum(1 for line in self.lines if wanted <= line.items())


@dataclass
class Spool:
    """What survives a crash of the robot's process."""

    resume_secret: str | None = None
    reports: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class Held:
    """A lease in hand, and when its job will be done."""

    lease: dict[str, Any]
    done_at: float
    is_lost: bool = False
    ends_as: str = "completed"


class SimulatedRobot(threading.Thread):
    """One robot. ``crash`` kills its process, which loses its memory; with ``keeps_spool`` the spool survives.

    Args:
        work: How long a job takes, in seconds, drawn for each.
        outcome: How a job ends, drawn for each.
    """

    def __init__(
        self,
        url: str,
        robot: Any,
        token: str,
        log: ClientLog,
        *,
        slots: int = 1,
        work: Callable[[], float] = lambda: 0.02,
        outcome: Callable[[], str] = lambda: "completed",
        boot: str = "boot-1",
    ) -> None:
        super().__init__(name=f"simulated-{robot.name}", daemon=True)
        self.id, self.url, self.log, self.slots, self.boot = str(robot.pk), url, log, slots, boot
        self.work, self.outcome = work, outcome
        self.spool = Spool()
        self.paused_until = 0.0
        self._headers = {"X-Robot-Token": token}
        self._stopping, self._crashing = threading.Event(), threading.Event()
        self._keeps_spool = True

    # What tests do to it

    def crash(self, *, keeps_spool: bool = True) -> None:
        """``kill -9``: at its next step it forgets everything and starts again."""
        self._keeps_spool = keeps_spool
        self._crashing.set()

    def pause(self, seconds: float) -> None:
        """``SIGSTOP`` for so long."""
        self.paused_until = time.monotonic() + seconds

    def stop(self) -> None:
        """End, in the middle of whatever it does, and for good."""
        self._stopping.set()
        self.join(ANSWER_SECONDS + 5)

    # Its life

    def run(self) -> None:
        while not self._stopping.is_set():
            self._crashing.clear()
            if not self._keeps_spool:
                self.spool, self._keeps_spool = Spool(), True
            with httpx.Client(base_url=f"{self.url}/api/v1/runner", headers=self._headers) as self._http:
                self._live()

    def _live(self) -> None:
        self._instance, self._session, self._seq = str(uuid.uuid4()), "", 0
        self._held: dict[str, Held] = {}
        self._wishes: list[str] = []
        self._in_doubt: dict[str, Any] | None = None
        while not (self._stopping.is_set() or self._crashing.is_set()):
            time.sleep(max(PAUSE * random.uniform(0.5, 1.5), self.paused_until - time.monotonic()))
            self._deliver()
            if self._session:
                self._end_what_is_done()
                self._sync()
            else:
                self._open()

    def _call(self, method: str, path: str, body: Any) -> httpx.Response | None:
        try:
            return self._http.request(method, path, json=body, timeout=ANSWER_SECONDS)
        except httpx.HTTPError:
            return None

    def _open(self) -> None:
        opening = {
            "instance_id": self._instance,
            "boot_id": self.boot,
            "resume_secret": self.spool.resume_secret,
            "running": [],
            "agent": {"version": "1.0.0"},
            "capabilities": {"executors": ["robot"]},
        }
        answer = self._call("POST", "/sessions", opening)
        if answer is not None and answer.status_code == 201:
            told = answer.json()
            self._session, self.spool.resume_secret = told["session"], told["resume_secret"]

    def _sync(self) -> None:
        body = self._in_doubt or self._new_sync()
        self._in_doubt = body
        answer = self._call("POST", "/sync", body)
        if answer is None or answer.status_code >= 500:
            return  # The same again, word for word.
        self._in_doubt = None
        if answer.status_code == 409:
            self._session = ""
            for held in self._held.values():
                held.is_lost = True
        if answer.status_code == 200:
            self._take(answer.json())

    def _new_sync(self) -> dict[str, Any]:
        while len(self._wishes) < self.slots - len(self._held):
            self._wishes.append(str(uuid.uuid4()))
            self.log.add("wished", robot=self.id, wish=self._wishes[-1])
        self._seq += 1
        leases = [{"lease": lease} for lease, held in self._held.items() if not held.is_lost]
        return {"session": self._session, "seq": self._seq, "wishes": list(self._wishes), "leases": leases}

    def _take(self, told: dict[str, Any]) -> None:
        for lease, asked in told["leases"].items():
            held = self._held.get(lease)
            if held is not None and asked != "continue":
                held.is_lost = asked == "lost"
                held.ends_as = "cancelled" if asked in {"cancel", "stop"} else held.ends_as
                held.done_at = 0.0
        for grant in told["grants"]:
            if grant["wish"] in self._wishes:
                self._wishes.remove(grant["wish"])
                self._begin(grant["lease"])

    def _begin(self, lease: dict[str, Any]) -> None:
        answer = None
        while answer is None and not (self._stopping.is_set() or self._crashing.is_set()):
            answer = self._call("POST", f"/leases/{lease['lease']}/start", {"session": self._session})
            if answer is not None and answer.status_code >= 500:
                answer = None
                time.sleep(PAUSE)
        if answer is not None and answer.status_code == 200:
            self.log.add("ran", robot=self.id, lease=lease["lease"])
            self._held[lease["lease"]] = Held(lease, time.monotonic() + self.work(), ends_as=self.outcome())
        elif answer is not None:
            self._call("POST", f"/leases/{lease['lease']}/release", {"session": self._session, "reason": "not begun"})

    def _end_what_is_done(self) -> None:
        done = [lease for lease, held in self._held.items() if time.monotonic() >= held.done_at]
        for lease in done:
            held = self._held.pop(lease)
            self.spool.reports[lease] = _report(held.lease, held.ends_as)

    def _deliver(self) -> None:
        for lease, report in list(self.spool.reports.items()):
            answer = self._call("POST", f"/leases/{lease}/finish", report)
            if answer is not None and answer.status_code in {*FINAL, 404}:
                told = answer.json()
                said = told.get("answer") or told.get("code")
                self.log.add("told", robot=self.id, lease=lease, digest=report["digest"], answer=said)
                del self.spool.reports[lease]


def _report(lease: dict[str, Any], outcome: str) -> dict[str, Any]:
    """Return a report whose result names the lease, so that no two are alike."""
    error = {"type": "Odd", "message": "as planned", "traceback": "", "code": "application_error"}
    end = {
        "outcome": outcome,
        "result": {"lease": lease["lease"]} if outcome == "completed" else None,
        "error": error if outcome == "failed" else None,
    }
    canonical = json.dumps(end, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return {"job": lease["job"], "number": lease["number"], **end, "exit_code": 0, "digest": digest, "effects": []}


def ask(call: Callable[[], httpx.Response], seconds: float) -> httpx.Response:
    """Make a call again and again until it is answered for good (no 5xx, no 409 of one that is still in flight)."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(httpx.HTTPError):
            answer = call()
            if answer.status_code < 500 and "Retry-After" not in answer.headers:
                return answer
        assert time.monotonic() < deadline, "nobody answered"
        time.sleep(PAUSE)
