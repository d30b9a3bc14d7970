"""The robot API, one thin function per endpoint. What each means is in the orchestrator's ``docs/robot-api.md``.

Every function raises ``client.Trouble`` in one of its named forms.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from bv_robot import client, logs
from bv_robot.client import Client

if TYPE_CHECKING:
    from bv_robot.artefacts import Artefact

GZIP_ABOVE = 4096


def register_robot(http: Client, enrolment: dict[str, Any]) -> dict[str, Any]:
    """Enrol by a machine's key; the answer holds the robot's token."""
    answer = http.call("POST", "/runner/register-robot", json=enrolment)
    return client.body_of(answer, "robot_id", "machine_id", "name", "api_token")


def deregister(http: Client, session: str | None) -> None:
    """Leave the orchestrator for good: the token is dead afterwards, the name free."""
    http.call("POST", "/runner/deregister", json={"session": session})


def open_session(http: Client, opening: dict[str, Any]) -> dict[str, Any]:
    answer = http.call("POST", "/runner/sessions", json=opening)
    return client.body_of(answer, "session", "resume_secret", "robot", "leases", "settings", "epoch", "tick")


def rotate_token(http: Client, seconds: float) -> dict[str, Any]:
    """Ask for a fresh token; the one in use goes on for a while. Gives up after so many seconds of silence."""
    answer = http.call("POST", "/runner/rotate-token", json={}, timeout=seconds)
    return client.body_of(answer, "api_token", "expires_in")


def sync(http: Client, report: dict[str, Any]) -> dict[str, Any]:
    answer = http.call("POST", "/runner/sync", json=report)
    return client.body_of(answer, "leases", "grants", "next_sync_in", "config", "epoch", "tick")


def start(http: Client, lease: str, session: str) -> str | None:
    """Start a lease; returns the job's own token, or None from a server that knows none."""
    answer = http.call("POST", f"/runner/leases/{lease}/start", json={"session": session})
    token = client.body_of(answer).get("job_token")
    return token if isinstance(token, str) else None


def release(http: Client, lease: str, session: str, reason: str) -> None:
    body = {"session": session, "reason": logs.clean(reason)}
    http.call("POST", f"/runner/leases/{lease}/release", json=body)


def finish(http: Client, lease: str, report: dict[str, Any]) -> dict[str, Any]:
    return client.body_of(http.call("POST", f"/runner/leases/{lease}/finish", json=report), "answer")


@dataclass(frozen=True)
class LogAnswer:
    """What the server said to a chunk: the next byte it expects, and whether it wants no more."""

    offset: int
    truncated: bool


def send_log(http: Client, lease: str, offset: int, chunk: bytes) -> LogAnswer:
    """Send bytes of a log. ``offset`` and checksum mean the plain bytes, also where they travel compressed."""
    headers = {"Content-Type": "application/x-ndjson", "X-Chunk-CRC32": f"{zlib.crc32(chunk):08x}"}
    content = chunk
    if len(chunk) > GZIP_ABOVE:
        content = zlib.compress(chunk, 6, wbits=31)
        headers["Content-Encoding"] = "gzip"
    answer = http.call(
        "PUT", f"/runner/leases/{lease}/log", params={"offset": offset}, content=content, headers=headers
    )
    expected = int(answer.headers.get("X-Log-Offset") or offset + len(chunk))
    return LogAnswer(expected, answer.headers.get("X-Log-Truncated") == "true")


def send_artefact(http: Client, lease: str, artefact: Artefact, file: BinaryIO) -> None:
    """Send a file that a job left, as it is read."""
    headers = {
        "Content-Type": artefact.content_type,
        "Content-Length": str(artefact.size),
        "X-Content-SHA256": artefact.sha256,
    }
    http.call("PUT", f"/runner/leases/{lease}/artefacts", params={"name": artefact.name}, content=file, headers=headers)


def download_package(http: Client, download_url: str) -> Iterator[bytes]:
    """Yield the file's bytes. ``download_url`` is relative to the server's root."""
    return http.download(f"{http.url}{download_url}")


def packages_to_run(http: Client, processes: list[str]) -> list[dict[str, Any]]:
    """What this robot would run now, for some processes (names or ids) or all: each with its package as in a lease."""
    answer = http.call("GET", "/runner/packages", params={"process": processes})
    items: list[dict[str, Any]] = client.body_of(answer, "items")["items"]
    return items


def upload_package(http: Client, file: Path, api_key: str) -> dict[str, Any]:
    with file.open("rb") as stream:
        answer = http.call(
            "POST",
            "/packages/upload",
            files={"file": (file.name, stream, "application/zip")},
            headers={"Authorization": f"Bearer {api_key}"},
        )
    return client.body_of(answer)
