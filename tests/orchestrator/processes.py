"""Small real programs for the supervisor to run, and ways to look at them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from orchestrator.supervisor.children import Program

PATIENCE = 90.0

SLEEPS = "import time; time.sleep(600)"
IGNORES_TERM = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)
FAILS = "import sys; print('no such thing'); sys.exit(3)"


def python(code: str, name: str = "child", **options: Any) -> Program:
    """A program that runs Python code."""
    return Program(name, [sys.executable, "-c", code], dict(os.environ), **options)


def eventually(is_true: Callable[[], Any]) -> Any:
    """Wait for something to become true and return it; fails after a long while."""
    end = time.monotonic() + PATIENCE
    while not (value := is_true()):
        assert time.monotonic() < end, "it never became true"
        time.sleep(0.02)
    return value


def runs(pid: int) -> bool:
    """Say whether a process runs; one that ended and was not collected does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def numbers_in(path: Path) -> list[int]:
    """Return the process numbers that a program has written down, one a line."""
    return [int(line) for line in path.read_text().split()] if path.exists() else []
