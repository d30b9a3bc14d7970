"""What the embedded servers have in common, and which of them a data directory needs."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from orchestrator import embedded
from orchestrator.embedded.errors import EmbeddedError
from orchestrator.embedded.locks import wait_until
from orchestrator.embedded.postgres import Cluster
from orchestrator.embedded.valkey import Broker

START_SECONDS = 60.0  # a database that recovers after a crash may take its time
STOP_SECONDS = 15.0


class Server(Protocol):
    """A server that a data directory may run."""

    @property
    def name(self) -> str: ...
    @property
    def origin(self) -> str:
        """What runs, and where its program was found."""
        ...

    @property
    def command(self) -> list[str]: ...
    @property
    def stop_signal(self) -> signal.Signals: ...
    @property
    def environment(self) -> Mapping[str, str]: ...
    @property
    def popen_options(self) -> dict[str, Any]: ...

    def create(self) -> None:
        """Make the server's files where there are none."""

    def is_ready(self) -> bool:
        """Say whether the server answers."""
        ...

    def prepare(self) -> None:
        """Make what the application needs inside the running server."""

    def ask_to_end(self) -> None:
        """Ask a running server to end, whoever started it."""

    def has_ended(self) -> bool:
        """Say whether the server has ended after being asked."""
        ...


def needed(data_dir: Path) -> list[Server]:
    """Return the servers for which the environment gives no address, in the order in which they start."""
    servers: list[Server] = []
    if not embedded.is_given("DATABASE_URL"):
        servers.append(Cluster.of(data_dir))
    if not embedded.is_given("CELERY_BROKER_URL"):
        servers.append(Broker.of(data_dir))
    return servers


def end(server: Server) -> None:
    """End a running server that somebody else started; raises ``EmbeddedError`` if it goes on."""
    if not server.is_ready():
        return
    server.ask_to_end()
    if not wait_until(server.has_ended, seconds=STOP_SECONDS):
        raise EmbeddedError(f"{server.name} was asked to end and goes on: {server.command[0]}")
