"""Log files that stay small, and the threads that fill them from the children's output."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

CHUNK_BYTES = 64 * 1024


class RotatingFile:
    """A log file that is set aside when full: ``web.log``, then ``web.log.1``, and so on, the oldest falling off."""

    def __init__(self, path: Path, *, max_bytes: int, keep: int) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._lock = threading.Lock()
        self._is_in_line = False
        self._descriptor = self._open()

    def write(self, text: bytes) -> None:
        """Append, rotating at the end of a line where the file would grow over its size."""
        with self._lock:
            if self._descriptor < 0:
                return
            while len(text) > (room := self._room()):
                text = self._fill_up(text, room)
            self._append(text)

    def tail(self, lines: int) -> str:
        """Return the last lines, at most 64 KiB of them."""
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - CHUNK_BYTES))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])

    def close(self) -> None:
        """Close the file; what comes later is dropped."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
            self._descriptor = -1

    def _room(self) -> int:
        return max(0, self._max_bytes - os.fstat(self._descriptor).st_size)

    def _fill_up(self, text: bytes, room: int) -> bytes:
        """Write what still belongs into the full file, rotate, and return the rest."""
        cut = text.rfind(b"\n", 0, room) + 1
        if not cut and (self._is_in_line or room == self._max_bytes):  # A line is never torn, however long.
            cut = text.find(b"\n") + 1 or len(text)
        self._append(text[:cut])
        self._rotate()
        return text[cut:]

    def _append(self, text: bytes) -> None:
        if text:
            self._is_in_line = not text.endswith(b"\n")
        while text:
            text = text[os.write(self._descriptor, text) :]

    def _rotate(self) -> None:
        os.close(self._descriptor)
        for number in range(self._keep, 0, -1):
            older = self._aside(number)
            newer = self._aside(number - 1) if number > 1 else self.path
            if newer.exists():
                newer.replace(older)
        self._descriptor = self._open()

    def _aside(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _open(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def pump(source: int, target: RotatingFile, name: str) -> threading.Thread:
    """Copy a pipe into a log file until its last writer has gone, then close the pipe."""
    thread = threading.Thread(target=_copy, args=(source, target), name=f"log of {name}", daemon=True)
    thread.start()
    return thread


def _copy(source: int, target: RotatingFile) -> None:
    try:
        while chunk := os.read(source, CHUNK_BYTES):
            with contextlib.suppress(OSError):  # A full disk costs log lines; it must not stop whoever writes them.
                target.write(chunk)
    finally:
        os.close(source)
