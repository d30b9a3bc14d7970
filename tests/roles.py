"""Real roles of the system as processes, on the database of the test that asks. A cluster of one's own: ``plants``."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
from django.conf import settings
from django.db import connection

from orchestrator.supervisor import readiness

CHECKOUT = Path(__file__).resolve().parent.parent
START_SECONDS = 40


def free_port() -> int:
    """A port of loopback nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_port_with_next() -> int:
    """A port that is free together with the next one, below those that connections are given by themselves."""
    while True:
        port = random.randrange(20_000, 32_000)
        if all(readiness.is_free("127.0.0.1", one) for one in (port, port + 1)):
            return port


def environment(**more: str) -> dict[str, str]:
    """What a role needs to work on this test's database with this test's keys."""
    facts = connection.settings_dict
    host = facts["HOST"] or facts["OPTIONS"].get("host", "")
    address = f"postgresql://{facts['USER']}@/{facts['NAME']}?host={host}&port={facts['PORT'] or 5432}"
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTEST_VERSION", "PYTEST_CURRENT_TEST")}
    ours = {
        "DATABASE_URL": address,
        "SECRET_KEY": settings.SECRET_KEY,
        "MASTER_KEYS": ",".join(settings.MASTER_KEYS),
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "CELERY_BROKER_URL": settings.CELERY_BROKER_URL,
        "FILES_DIR": str(settings.MEDIA_ROOT),
        "LOG_LEVEL": "WARNING",
        "RATE_LIMITS": "off",  # Tests ask as fast as they can.
        "BV_NO_BOOTSTRAP": "1",
        "DJANGO_SETTINGS_MODULE": "orchestrator.settings",
    }
    return kept | ours | more


@contextmanager
def running(role: str, *, health: str, log: Path, **more: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run ``web`` or ``live`` until the end of the block; yields its address and its process."""
    port = free_port()
    command = [sys.executable, str(CHECKOUT / "manage.py"), role, "--port", str(port)]
    process = _start(command, log, **more)
    url = f"http://127.0.0.1:{port}"
    try:
        _await(partial(_answers, url + health), f"{role} did not answer", process, log)
        yield url, process
    finally:
        _end(process)


@contextmanager
def working(role: str, *, log: Path, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``worker`` or ``beat`` until the end of the block; yields its process once it does its work."""
    sign = log.with_suffix(".ready")
    sign.unlink(missing_ok=True)
    command = [sys.executable, str(CHECKOUT / "manage.py"), role, "--ready-file", str(sign)]
    process = _start(command, log, **more)
    try:
        _await(sign.exists, f"{role} did not begin to work", process, log)
        yield process
    finally:
        _end(process)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def _start(command: list[str], log: Path, **more: str) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            command, cwd=CHECKOUT, env=environment(**more), stdout=output, stderr=output, start_new_session=True
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


def _await(is_so: Callable[[], bool], otherwise: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        if is_so():
            return
        time.sleep(0.1)
    raise AssertionError(f"{otherwise} within {START_SECONDS} s.\n{log.read_text()}")
