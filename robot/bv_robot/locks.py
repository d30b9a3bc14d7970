"""A lock between threads and processes: a file that is held."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from bv_robot import platforms


@contextlib.contextmanager
def held(path: Path, *, pause: Callable[[], None]) -> Iterator[None]:
    """Hold the lock file ``path``; while somebody else does, call ``pause`` again and again, which may raise."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not platforms.try_lock(descriptor):
            pause()
        yield
    finally:
        os.close(descriptor)
