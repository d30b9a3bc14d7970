"""The live role: robots wait here until something may concern them.

A plain ASGI application without ORM. It holds one LISTEN connection for all, verifies tickets without asking the
database, and only ever gives hints: with it switched off, robots poll on their interval and nothing is lost.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
import structlog
from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner

from apps.jobs.services import WORK_WAITS
from apps.robots.services import ROBOT_CALLED
from apps.runner.services import TICKET_SALT

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

TICKET_LIFE = 60
#: A hint that came between a robot's ticket and its wait still counts for so long (seconds).
REMEMBERED = 5.0
#: For each job that waits, so many robots are woken: one may lose the race, all would be a herd.
ROBOTS_PER_JOB = 2

log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class Waiter:
    """One robot that waits: what concerns it, and how to wake it."""

    robot: str
    tenant: str
    folders: frozenset[str]
    woken: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Hint:
    """Something that may concern robots: work in a folder, or one robot by its id."""

    at: float
    robot: str = ""
    tenant: str = ""
    folder: str = ""
    count: int = 1

    def concerns(self, waiter: Waiter) -> bool:
        if self.robot:
            return waiter.robot == self.robot
        return waiter.tenant == self.tenant and self.folder in waiter.folders


class Waits:
    """All robots that wait at this process, and the hints of the last moments."""

    def __init__(self) -> None:
        self.waiters: set[Waiter] = set()
        self.recent: deque[Hint] = deque(maxlen=1000)
        self.is_listening = False

    def spread(self, hint: Hint) -> None:
        """Wake the robot that is called, or a few of those that could take the work."""
        self.recent.append(hint)
        concerned = [waiter for waiter in self.waiters if hint.concerns(waiter) and not waiter.woken.is_set()]
        random.shuffle(concerned)
        for waiter in concerned if hint.robot else concerned[: ROBOTS_PER_JOB * hint.count]:
            waiter.woken.set()

    def came_too_early(self, waiter: Waiter, since: float) -> bool:
        """Say whether a hint came after the ticket was given and before the wait began."""
        oldest = max(since, time.time() - REMEMBERED)
        return any(hint.at >= oldest and hint.concerns(waiter) for hint in self.recent)

    async def wait(self, waiter: Waiter, since: float, seconds: float, gone: asyncio.Task[Any]) -> bool:
        """Return whether the robot was woken; ends early when it hangs up."""
        if self.came_too_early(waiter, since):
            return True
        self.waiters.add(waiter)
        woken = asyncio.create_task(waiter.woken.wait())
        try:
            await asyncio.wait({woken, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.waiters.discard(waiter)
            woken.cancel()
        return waiter.woken.is_set()


waits = Waits()
_listener: asyncio.Task[None] | None = None


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer ``GET …/wait`` and ``GET …/health``; everything else is 404."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif scope["type"] == "http":
        await _answer(scope, receive, send)


async def _live(receive: Receive, send: Send) -> None:
    await receive()
    _start_listening()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    if _listener is not None:
        _listener.cancel()
    await send({"type": "lifespan.shutdown.complete"})


def _start_listening() -> None:
    global _listener
    if _listener is None or _listener.done():
        _listener = asyncio.create_task(_listen())


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    _start_listening()
    path = scope["path"].rstrip("/")
    if scope["method"] != "GET":
        await _send(send, 405, {"detail": "Only GET is taken here.", "code": "method_not_allowed"})
    elif path.endswith("/wait"):
        await _answer_wait(scope, receive, send)
    elif path.endswith("/health"):
        state = "ok" if waits.is_listening else "degraded"
        await _send(send, 200, {"status": state, "waiting": len(waits.waiters)})
    else:
        await _send(send, 404, {"detail": "There is nothing here.", "code": "not_found"})


async def _answer_wait(scope: Scope, receive: Receive, send: Send) -> None:
    ticket = _ticket(scope)
    if ticket is None:
        await _send(send, 401, {"detail": "The ticket is missing or has expired. Sync again.", "code": "bad_ticket"})
        return
    waiter = Waiter(ticket["robot"], ticket["tenant"], frozenset(ticket["folders"]))
    gone = asyncio.create_task(_hung_up(receive))
    try:
        woken = await waits.wait(waiter, float(ticket["at"]), settings.WAIT_MAX, gone)
    finally:
        gone.cancel()
    await _send(send, 200, {"wake": woken})


def _ticket(scope: Scope) -> dict[str, Any] | None:
    presented = dict(scope["headers"]).get(b"x-wait-ticket", b"").decode("latin-1")
    try:
        facts: dict[str, Any] = TimestampSigner(salt=TICKET_SALT).unsign_object(presented, max_age=TICKET_LIFE)
    except (BadSignature, ValueError):
        return None
    return facts


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, status: int, body: dict[str, Any]) -> None:
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


async def _listen() -> None:
    """Hold the one LISTEN connection; while it is away, robots come on their interval."""
    pause = 1.0
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(_conninfo(), autocommit=True) as connection:
                await connection.execute(f"LISTEN {WORK_WAITS}")
                await connection.execute(f"LISTEN {ROBOT_CALLED}")
                waits.is_listening, pause = True, 1.0
                async for notification in connection.notifies():
                    waits.spread(_hint(notification.channel, notification.payload))
        except psycopg.OperationalError as error:
            log.warning("live_database_away", error=str(error), retry_in=pause)
        finally:
            waits.is_listening = False
        await asyncio.sleep(random.uniform(0, pause))
        pause = min(30.0, pause * 2)


def _hint(channel: str, payload: str) -> Hint:
    if channel == ROBOT_CALLED:
        return Hint(time.time(), robot=payload)
    facts = json.loads(payload)
    return Hint(time.time(), tenant=facts["tenant"], folder=facts["folder"], count=int(facts["count"]))


def _conninfo() -> str:
    """Return how to reach the database, from the settings: this role has no ORM connection."""
    database = settings.DATABASES["default"]
    facts = {
        "host": database.get("HOST"),
        "port": database.get("PORT"),
        "user": database.get("USER"),
        "password": database.get("PASSWORD"),
        "dbname": database["NAME"],
        **{
            name: database["OPTIONS"][name]
            for name in ("host", "sslmode", "sslrootcert")
            if name in database["OPTIONS"]
        },
    }
    wanted = {name: value for name, value in facts.items() if value}
    return psycopg.conninfo.make_conninfo("", application_name="bv-live", **wanted)
