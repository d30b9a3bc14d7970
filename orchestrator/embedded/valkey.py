"""One Valkey on a unix socket: described and asked. Nothing here keeps it running."""

from __future__ import annotations

import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.embedded import binaries, places
from orchestrator.embedded.accounts import database_account, server_environment
from orchestrator.embedded.binaries import ValkeyBinary


@dataclass(frozen=True, slots=True)
class Broker:
    """The Valkey of one data directory."""

    data_dir: Path
    program: ValkeyBinary

    @classmethod
    def of(cls, data_dir: Path) -> Broker:
        """Describe the broker of a data directory; raises ``EmbeddedError`` where no program can run it."""
        return cls(places.make_data_dir(data_dir), binaries.find_valkey())

    @property
    def name(self) -> str:
        return "valkey"

    @property
    def origin(self) -> str:
        return str(self.program)

    @property
    def stop_signal(self) -> signal.Signals:
        return signal.SIGTERM

    @property
    def environment(self) -> dict[str, str]:
        return server_environment()

    @property
    def popen_options(self) -> dict[str, Any]:
        return {}

    @property
    def data(self) -> Path:
        return self.data_dir / "valkey"

    @property
    def socket_path(self) -> Path:
        return places.socket_folder(self.data_dir) / places.BROKER_SOCKET

    @property
    def command(self) -> list[str]:
        """The command that runs the server in the foreground, keeping its messages in a file."""
        options = {
            "port": "0",
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "dir": str(self.data),
            "appendonly": "yes",
            "save": "",
            "daemonize": "no",
            "pidfile": str(self._pid_file),
        }
        return [str(self.program.path), *(part for name, value in options.items() for part in (f"--{name}", value))]

    def create(self) -> None:
        """Make the folder that keeps the messages over a restart, and the socket's."""
        places.make_socket_folder(self.data_dir, database_account())
        self.data.mkdir(mode=0o700, exist_ok=True)

    def prepare(self) -> None:
        """Nothing is needed inside a broker."""

    def is_ready(self) -> bool:
        """Say whether the server answers."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            try:
                connection.connect(str(self.socket_path))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    def ask_to_end(self) -> None:
        """Ask a server that somebody else started to end."""
        try:
            os.kill(int(self._pid_file.read_text()), signal.SIGTERM)
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return

    def has_ended(self) -> bool:
        """Say whether a server that was asked to end has done so."""
        return not self._pid_file.exists()

    @property
    def _pid_file(self) -> Path:
        return self.data / "valkey.pid"
