"""A log: one JSON object a line, appended to a file whose length and checksum are known at all times."""

from __future__ import annotations

import json
import os
import threading
import time
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
LONGEST_LINE = 64 * 1024
"""Bytes of one line; a longer one continues on the next."""
KEPT_IN_MEMORY = 8 * 1024 * 1024
"""Bytes that wait in memory while the disk is full."""
RESERVE = 4096
"""Bytes below the limit that belong to what the robot itself says at the end."""


def stamp(at: float) -> str:
    """A time as the log writes it: UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(at * 1000) % 1000:03d}Z"


def line(message: str, level: str, stream: str, *, at: float | None = None, fields: Any = None) -> bytes:
    """One line of a log."""
    entry: dict[str, Any] = {"t": stamp(time.time() if at is None else at), "l": level, "s": stream}
    entry["m"] = clean(message)
    if isinstance(fields, dict) and fields:
        entry["f"] = fields
    try:
        return _encoded(entry)
    except ValueError:  # A field holds half a surrogate pair or NaN: say it in ASCII.
        entry["f"] = {"text": ascii(fields)}
        return _encoded(entry)


def _encoded(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def clean(text: str) -> str:
    """Text that every reader can store: NUL and lone surrogates are shown as escapes."""
    if "\x00" in text:
        text = text.replace("\x00", "\\x00")
    return text.encode("utf-8", "backslashreplace").decode()


class LineCutter:
    """Cuts a stream of bytes into lines of text, as a terminal would show them.

    Bytes that are no UTF-8 become escapes. What a carriage return has overwritten (progress bars) is left out.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """Take bytes and return the lines that are now complete."""
        *complete, self._rest = (self._rest + data).split(b"\n")
        lines = [part for raw in complete for part in _pieces(raw)]
        while len(self._rest) > LONGEST_LINE:
            lines.append(_text(self._rest[:LONGEST_LINE]))
            self._rest = self._rest[LONGEST_LINE:]
        return lines

    def end(self) -> list[str]:
        """Return what was left without a line's end."""
        rest, self._rest = self._rest, b""
        return _pieces(rest) if rest else []


def _pieces(raw: bytes) -> list[str]:
    shown = raw.rstrip(b"\r").rpartition(b"\r")[2]
    return [_text(shown[start : start + LONGEST_LINE]) for start in range(0, max(len(shown), 1), LONGEST_LINE)]


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class Extent:
    """How much of a log there is: its length in bytes and the CRC-32 of them all."""

    length: int
    crc32: int

    def as_reported(self) -> dict[str, Any]:
        return {"length": self.length, "crc32": f"{self.crc32:08x}"}


def extent_of(path: Path) -> Extent:
    """Measure a log's complete lines; a last line torn by a crash does not count."""
    length = crc = 0
    if not path.exists():
        return Extent(0, 0)
    with path.open("rb") as file:
        for complete in file:
            if complete.endswith(b"\n"):
                length, crc = length + len(complete), zlib.crc32(complete, crc)
    return Extent(length, crc)


def cut(path: Path, length: int) -> None:
    """Leave out what lies beyond a length: it was said by a process that died before it could be reported."""
    if path.exists() and path.stat().st_size > length:
        os.truncate(path, length)


class LogFile:
    """The log of one execution, open for appending. Several threads may write.

    Args:
        path: Where it lies. Lines already there are kept.
        limit: The most bytes it may hold; what comes after is counted and said at the end.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self._lock = threading.Lock()
        self._limit = limit
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._left_out = 0
        self._closed = False
        known = extent_of(path)
        self._length, self._crc = known.length, known.crc32
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        os.ftruncate(self._descriptor, self._length)
        os.lseek(self._descriptor, 0, os.SEEK_END)

    def write(self, *lines: bytes) -> None:
        """Append whole lines, unless the log is closed. They reach the disk itself when it is."""
        with self._lock:
            if self._closed:
                return
            for entry in lines:
                self._accept(entry)
            self._flush()

    def say(self, message: str, level: str = "INFO") -> None:
        """Append something the robot itself has to say; of many lines, each is one of the log's."""
        self.write(*(line(part, level, "robot") for part in message.splitlines() or [""]))

    def _accept(self, entry: bytes) -> None:
        expected = self._length + self._waiting_bytes + len(entry)
        fits = expected <= self._limit - RESERVE and self._waiting_bytes < KEPT_IN_MEMORY
        # Once one line is left out all later ones are, so that the log has one gap and it is at its end.
        if fits and not self._left_out:
            self._keep(entry)
        else:
            self._left_out += 1

    def _keep(self, entry: bytes) -> None:
        self._waiting.append(entry)
        self._waiting_bytes += len(entry)

    def _flush(self) -> bool:
        data = b"".join(self._waiting)
        try:
            _write_all(self._descriptor, data)
        except OSError:  # The disk is full: take half a line back, and try again with the next one.
            os.ftruncate(self._descriptor, self._length)
            os.lseek(self._descriptor, self._length, os.SEEK_SET)
            return False
        self._length, self._crc = self._length + len(data), zlib.crc32(data, self._crc)
        self._waiting, self._waiting_bytes = [], 0
        return True

    def close(self) -> Extent | None:
        """Bring everything to the disk and return the extent, or None while the disk does not take it."""
        with self._lock:
            if self._left_out:
                told = f"{self._left_out} more lines were left out: the log was at its limit, or the disk was full"
                self._keep(line(told, "WARN", "robot"))
                self._left_out = 0
            if not (self._flush() and _reached_disk(self._descriptor)):
                return None
            os.close(self._descriptor)
            self._closed = True
            return Extent(self._length, self._crc)


def _reached_disk(descriptor: int) -> bool:
    try:
        os.fsync(descriptor)
    except OSError:
        return False
    return True


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
