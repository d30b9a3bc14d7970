"""Simulated robots and callers: what runs in the load processes. Knows the API only over HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from benchmarks.wire import Answer, Connection, WireError

RESULT = {"invoices": 12, "total": "1290.50"}
SETTLED_BEFORE = 5.0
"""Seconds before a measurement by which all robots that shall be idle have come."""


@dataclass(frozen=True, slots=True)
class RobotPass:
    """What it takes to speak as a robot."""

    id: str
    token: str


@dataclass(slots=True)
class Seen:
    """What a load process saw: seconds by call, what went wrong, and which leases its robots were given."""

    taken: dict[str, list[float]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    leases: list[str] = field(default_factory=list)
    cycles: int = 0

    def add(self, other: Seen) -> None:
        """Take in what another process saw."""
        for call, taken in other.taken.items():
            self.taken.setdefault(call, []).extend(taken)
        self.errors.update(other.errors)
        self.leases += other.leases
        self.cycles += other.cycles


class Robot:
    """One simulated robot with a session of its own."""

    def __init__(self, url: str, who: RobotPass, seen: Seen) -> None:
        self.who, self.seen = who, seen
        self.connection = Connection(url, {"X-Robot-Token": who.token})
        self.session = ""
        self.seq = 0

    async def call(self, name: str, method: str, path: str, body: Any = None) -> Answer:
        """Make a call and note how long it took; anything but success is counted."""
        return await timed(self.seen, name, self.connection, method, f"/api/v1/runner{path}", body)

    async def open(self) -> None:
        """Open a session."""
        opening = {
            "instance_id": str(uuid.uuid4()),
            "boot_id": "benchmark",
            "agent": {"version": "1.0.0"},
            "capabilities": {"executors": ["robot"]},
        }
        answer = await self.call("open session", "POST", "/sessions", opening)
        self.session = answer.json()["session"]

    async def sync(self, *wishes: str) -> dict[str, Any]:
        """Sync, with one wish per free slot, and return the answer; an empty one where it was refused."""
        self.seq += 1
        body = {
            "session": self.session,
            "seq": self.seq,
            "wishes": wishes,
            "leases": [],
            "highest": {"epoch": 0, "tick": 0},
            "metrics": {"cpu": 0.1, "memory": 0.4, "disk_free": 123456789},
            "state": {"accepting": True, "problem": ""},
        }
        answer = await self.call("sync", "POST", "/sync", body)
        told: dict[str, Any] = answer.json() if answer.status == 200 else {}
        return told

    async def carry_out(self, lease: dict[str, Any]) -> bool:
        """Begin a job and report its success; says whether it was accepted."""
        self.seen.leases.append(lease["lease"])
        await self.call("start", "POST", f"/leases/{lease['lease']}/start", {"session": self.session})
        answer = await self.call("finish", "POST", f"/leases/{lease['lease']}/finish", report_of(lease))
        return answer.status == 200


def report_of(lease: dict[str, Any]) -> dict[str, Any]:
    """Return the report of a success."""
    end = {"outcome": "completed", "result": RESULT, "error": None}
    canonical = json.dumps(end, sort_keys=True, separators=(",", ":"))
    return {
        "job": lease["job"],
        "number": lease["number"],
        **end,
        "exit_code": 0,
        "digest": hashlib.sha256(canonical.encode()).hexdigest(),
        "effects": [],
        "log": {"length": 0, "crc32": "00000000"},
        "usage": {"cpu_seconds": 0.1, "max_memory": 20_000_000},
    }


async def timed(
    seen: Seen, name: str, connection: Connection, method: str, path: str, body: Any = None, headers: str = ""
) -> Answer:
    """Make a call and note it in ``seen``; a broken connection is an answer with status 0."""
    began = time.perf_counter()
    try:
        answer = await connection.call(method, path, body, headers)
    except WireError as error:
        seen.errors[f"{name}: {error}"] += 1
        return Answer(0, b"")
    seen.taken.setdefault(name, []).append(time.perf_counter() - began)
    if answer.status >= 300:
        seen.errors[f"{name}: {answer.status} {answer.body[:200].decode(errors='replace')}"] += 1
    return answer


def cycles(url: str, key: str, process: str, robots: Sequence[RobotPass], begin_at: float, seconds: float) -> Seen:
    """Create jobs and run them with these robots, each one cycle after the other; begins at ``begin_at`` (epoch)."""
    return asyncio.run(_cycles(url, key, process, robots, begin_at, seconds))


async def _cycles(
    url: str, key: str, process: str, robots: Sequence[RobotPass], begin_at: float, seconds: float
) -> Seen:
    opening, seen = Seen(), Seen()
    crew = [Robot(url, who, opening) for who in robots]
    for robot in crew:
        await robot.open()
        robot.seen = seen
    await asyncio.sleep(max(0.0, begin_at - time.time()))
    await asyncio.gather(*(_cycle_until(robot, url, key, process, begin_at + seconds) for robot in crew))
    seen.errors.update(opening.errors)
    return seen


async def _cycle_until(robot: Robot, url: str, key: str, process: str, end_at: float) -> None:
    caller = Connection(url, {"Authorization": f"Bearer {key}"})
    while time.time() < end_at:
        await timed(robot.seen, "create", caller, "POST", "/api/v1/jobs", {"process": process, "parameters": {}})
        grants: list[dict[str, Any]] = []
        while not grants and time.time() < end_at:
            grants = (await robot.sync(str(uuid.uuid4()))).get("grants", [])
        if grants and await robot.carry_out(grants[0]["lease"]):
            robot.seen.cycles += 1


def idle(url: str, robots: Sequence[RobotPass], begin_at: float, seconds: float) -> Seen:
    """Let robots sync and wait as they do where there is no work; counts from ``begin_at`` (epoch) on."""
    return asyncio.run(_idle(url, robots, begin_at, seconds))


async def _idle(url: str, robots: Sequence[RobotPass], begin_at: float, seconds: float) -> Seen:
    opening, seen = Seen(), Seen()
    crew = [Robot(url, who, opening) for who in robots]
    running = [
        asyncio.create_task(_idle_from(robot, begin_at, number / len(crew))) for number, robot in enumerate(crew)
    ]
    await asyncio.sleep(max(0.0, begin_at - time.time()))
    for robot in crew:
        robot.seen = seen
    await asyncio.sleep(seconds)
    for one in running:
        one.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    seen.errors.update(opening.errors)
    return seen


async def _idle_from(robot: Robot, begin_at: float, share: float) -> None:
    """Open a session at this robot's share of the time there is, then sync at the pace it is told."""
    await asyncio.sleep(max(0.0, begin_at - SETTLED_BEFORE - time.time()) * share)
    await robot.open()
    wish, waiting = str(uuid.uuid4()), None
    while True:
        told = await robot.sync(wish)
        if waiting is not None:
            waiting.cancel()
        waiting = asyncio.create_task(_hold(robot.seen, told["wait"])) if told.get("wait") else None
        paced = float(told.get("next_sync_in", 1.0))
        await asyncio.sleep(random.uniform(min(1.0, paced), paced))


async def _hold(seen: Seen, wait: dict[str, str]) -> None:
    """Hold the long wait until it answers or the next sync takes its place."""
    address = urlsplit(wait["url"])
    connection = Connection(wait["url"])
    try:
        await timed(
            seen,
            "wait, held to its end",
            connection,
            "GET",
            address.path,
            headers=f"X-Wait-Ticket: {wait['ticket']}\r\n",
        )
    finally:
        connection.close()
