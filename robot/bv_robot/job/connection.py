"""Speaking to the orchestrator as the job itself: with the job's own token, through the robot's proxies and trust."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bv_robot.job import channel

SECONDS = 30.0
"""The longest that one call may take to connect, and to read."""
PATIENCE = 300.0
"""Seconds for which what can be repeated is tried again while the orchestrator cannot be reached."""
_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0)


class OrchestratorError(Exception):
    """The orchestrator did not do what was asked."""


class NotConnected(OrchestratorError):
    """There is no orchestrator to ask: this is not a robot's job, or not its own process."""


class Unreachable(OrchestratorError):
    """No answer, or one of a server in trouble. The call may be made again."""


class Refused(OrchestratorError):
    """The orchestrator said no. ``status`` is HTTP's, ``code`` is for programs, the message for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{message} ({status} {code})")
        self.status, self.code = status, code


def facts() -> dict[str, Any]:
    """Where this job's orchestrator is, and what the job is there.

    Raises:
        NotConnected: outside a job's own process, and with an orchestrator that gives jobs no token.
    """
    robot = channel.connection()
    if robot is None:
        raise NotConnected("Only a job's own process, run by a robot, can ask its orchestrator.")
    if not (robot.token and robot.orchestrator):
        raise NotConnected("This orchestrator gives its jobs no token, so they can ask it for nothing.")
    known: dict[str, Any] = robot.orchestrator
    return known


def call(method: str, path: str, body: Any = None, *, key: str = "", seconds: float = SECONDS) -> Any:
    """Make one call below ``/api/v1`` and return the JSON it answers.

    Args:
        body: What to send as JSON; bytes are JSON already.
        key: An idempotency key: with the same one a call is carried out once, however often it is made.
        seconds: The longest it may take to connect, and to read.

    Raises:
        NotConnected, Unreachable, Refused: see there.
    """
    headers = {"Accept": "application/json"}
    if key:
        headers["Idempotency-Key"] = key
    data = None
    if body is not None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers["Content-Type"] = "application/json"
    with answered(method, path, data, headers, seconds=seconds) as answer:
        return json_of(answer)


@contextmanager
def answered(
    method: str, path: str, data: Any = None, headers: dict[str, str] | None = None, *, seconds: float = SECONDS
) -> Iterator[Any]:
    """Make one call and lend the answer to be read; what breaks off while it is read counts as no answer.

    Args:
        data: Bytes, or a file open for reading; then ``Content-Length`` is among the headers.

    Raises:
        NotConnected, Unreachable, Refused: see there.
    """
    import http.client
    import urllib.error
    import urllib.request

    known = facts()
    signed = {**(headers or {}), "X-Robot-Token": channel.connection().token}
    request = urllib.request.Request(f"{known['url']}/api/v1{path}", data, signed, method=method)
    try:
        with _opener(known.get("ca_file") or "").open(request, timeout=seconds) as answer:
            yield answer
    except urllib.error.HTTPError as error:
        raise _trouble(error) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreachable(f"{known['url']} gives no answer: {error}") from error


def json_of(answer: Any) -> Any:
    """Return the JSON that an answer holds."""
    return json.loads(answer.read() or b"null")


def quoted(text: str, safe: str = "") -> str:
    """Return a text as a part of an address."""
    import urllib.parse

    return urllib.parse.quote(str(text), safe=safe)


def query_of(**parameters: str) -> str:
    """Return parameters as the end of an address; empty ones are left out."""
    import urllib.parse

    given = {name: value for name, value in parameters.items() if value}
    return f"?{urllib.parse.urlencode(given)}" if given else ""


def patiently(method: str, path: str, body: Any = None, *, key: str = "", seconds: float) -> Any:
    """The same as ``call``, made again for so many seconds while the orchestrator cannot be reached."""
    return insistently(lambda: call(method, path, body, key=key), seconds=seconds)


def insistently(act: Callable[[], Any], *, seconds: float) -> Any:
    """Do something again for so many seconds while the orchestrator cannot be reached; return what it returns."""
    until = time.monotonic() + seconds
    pauses = list(_PAUSES)
    while True:
        try:
            return act()
        except Unreachable:
            pause = pauses.pop(0) if len(pauses) > 1 else pauses[0]
            if channel.is_cancelled() or time.monotonic() + pause >= until:
                raise
        time.sleep(pause)


def _opener(ca_file: str) -> Any:
    """Proxies come from the environment. Redirects are not followed: the token is for one address alone."""
    import ssl
    import urllib.request

    class NoRedirects(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *anything: Any) -> None:
            return None

    trust = ssl.create_default_context(cafile=ca_file or None)
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=trust), NoRedirects)


def _trouble(error: Any) -> OrchestratorError:
    with error:
        raw = error.read(64 * 1024)
    if error.code >= 500 or error.code == 429 or 300 <= error.code < 400:
        return Unreachable(f"The orchestrator answered {error.code}.")
    try:
        told = json.loads(raw)
    except ValueError:
        told = None
    told = told if isinstance(told, dict) else {}
    message = told.get("detail") or told.get("title") or "The orchestrator refused."
    return Refused(error.code, str(told.get("code") or "refused"), str(message))
