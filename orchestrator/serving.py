"""The two web servers: ``web`` (WSGI) and ``live`` (ASGI)."""

from __future__ import annotations

import resource

from django.core.management.base import CommandError
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from orchestrator.embedded.locks import wait_until
from orchestrator.supervisor import readiness

KILL_SECONDS = 2  # Requests may take so long to end once the server is asked to stop.
CONNECTIONS = 4096  # Robots keep theirs open, so this limits how many robots one process can serve.
OPEN_FILES = 65_536
PORT_SECONDS = 2  # A server that was killed may still be going.


def serve_web(host: str, port: int, *, workers: int, threads: int) -> None:
    """Serve requests until a signal ends it, ``threads`` at once in each of ``workers`` processes."""
    _require_free(host, port)
    _allow_many_connections()
    Granian(
        "orchestrator.wsgi:application",
        host,
        port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=threads,
        backlog=CONNECTIONS,
        backpressure=CONNECTIONS,
        websockets=False,
        log_level=LogLevels.error,
        # One process that dies ends the command, and its supervisor says so; several are replaced one by one.
        respawn_failed_workers=workers > 1,
        workers_kill_timeout=KILL_SECONDS,
    ).serve()


def serve_live(host: str, port: int, *, workers: int) -> None:
    """Serve waiting robots until a signal ends it."""
    _require_free(host, port)
    _allow_many_connections()
    Granian(
        "orchestrator.asgi:application",
        host,
        port,
        interface=Interfaces.ASGI,
        workers=workers,
        backlog=CONNECTIONS,
        backpressure=CONNECTIONS,
        log_level=LogLevels.error,
        respawn_failed_workers=workers > 1,
        workers_kill_timeout=KILL_SECONDS,
    ).serve()


def _require_free(host: str, port: int) -> None:
    """Refuse a port on which another server listens: the kernel would let both, and deal out requests between them."""
    if not wait_until(lambda: readiness.is_free(host, port), seconds=PORT_SECONDS):
        raise CommandError(f"{host}:{port} cannot be listened on, or another program does. Choose another with --port.")


def _allow_many_connections() -> None:
    """Raise the soft limit of open files, which is often 1,024, as far as the hard limit goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
