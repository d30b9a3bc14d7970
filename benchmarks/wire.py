"""A small HTTP/1.1 client on asyncio: load must cost little, because it shares the machine with what it measures."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


class WireError(Exception):
    """The connection broke, or what came is no HTTP."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The status and the body of an answer."""

    status: int
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON; an empty one is ``None``."""
        return json.loads(self.body) if self.body else None


class Connection:
    """One kept-open connection, opened again when it breaks. One call at a time."""

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        lines = {"Host": parts.netloc, **(headers or {})}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def call(self, method: str, path: str, body: Any = None, headers: str = "") -> Answer:
        """Make one call. ``headers`` are whole lines, each with its end. Raises ``WireError``."""
        data = b"" if body is None else json.dumps(body).encode()
        kind = "Content-Type: application/json\r\n" if data else ""
        head = f"{method} {path} HTTP/1.1\r\n{self._head}{headers}{kind}Content-Length: {len(data)}\r\n\r\n"
        try:
            reader, writer = await self._open()
            writer.write(head.encode() + data)
            return await self._read(reader)
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            self.close()
            raise WireError(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self._reader, self._writer

    async def _read(self, reader: asyncio.StreamReader) -> Answer:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head[9:12])
        _, found, rest = head.partition(b"\r\ncontent-length:")
        if found:
            body = await reader.readexactly(int(rest.partition(b"\r\n")[0]))
        else:
            body = await _chunks(reader) if b"\r\ntransfer-encoding: chunked" in head else b""
        if b"\r\nconnection: close" in head:
            self.close()
        return Answer(status, body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while length := int(await reader.readuntil(b"\r\n"), 16):
        parts.append(await reader.readexactly(length))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(parts)
