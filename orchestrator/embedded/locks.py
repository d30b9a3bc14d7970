"""Locks on a data directory. The kernel frees them when their holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

POLL_SECONDS = 0.05


class FileLock:
    """One process's hold on a lock file: shared, alone, or none.

    Not for several threads, and never inherited by programs that are started.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def try_alone(self) -> bool:
        """Take the lock alone if nobody else holds it."""
        return self._try(fcntl.LOCK_EX)

    def try_shared(self) -> bool:
        """Take the lock together with others if nobody holds it alone."""
        return self._try(fcntl.LOCK_SH)

    def share(self) -> None:
        """Take the lock together with others, waiting as long as somebody holds it alone."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def release(self) -> None:
        """Let the lock go, keeping the file open for another try."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let the lock go for good."""
        os.close(self._descriptor)

    def write(self, text: str) -> None:
        """Leave a note for whoever finds the lock taken."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text.encode(), 0)

    def read(self) -> str:
        """Return the note of the one who holds the lock."""
        return os.pread(self._descriptor, 4096, 0).decode(errors="replace")

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def held_alone(path: Path) -> Iterator[None]:
    """Hold a lock alone for the time of a block, waiting for it as long as it takes."""
    lock = FileLock(path)
    try:
        wait_until(lock.try_alone, seconds=None)
        yield
    finally:
        lock.close()


def wait_until(is_done: Callable[[], bool], *, seconds: float | None) -> bool:
    """Ask again and again until the answer is yes; give up after ``seconds``. Returns the last answer."""
    end = None if seconds is None else time.monotonic() + seconds
    while not is_done():
        if end is not None and time.monotonic() > end:
            return False
        time.sleep(POLL_SECONDS)
    return True
