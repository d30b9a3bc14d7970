"""One PostgreSQL cluster on a unix socket: made, described, asked and ended. Nothing here keeps it running."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from orchestrator.embedded import binaries, places
from orchestrator.embedded.accounts import Account, database_account, server_environment
from orchestrator.embedded.binaries import PostgresBinaries
from orchestrator.embedded.errors import EmbeddedError

SUPERUSER = "postgres"
SETTINGS = {
    "listen_addresses": "",
    "port": str(places.DATABASE_PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_checkpoints": "off",
}
# For a cluster that nobody will miss: what a crash of the machine loses is thrown away anyway.
THROWAWAY_SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


@dataclass(frozen=True, slots=True)
class Cluster:
    """The PostgreSQL of one data directory."""

    data_dir: Path
    data: Path
    programs: PostgresBinaries
    account: Account
    is_durable: bool = True

    @classmethod
    def of(cls, data_dir: Path, *, is_durable: bool = True) -> Cluster:
        """Describe the cluster of a data directory; raises ``EmbeddedError`` where no program can run it."""
        account = database_account()
        data = places.cluster_folder(places.make_data_dir(data_dir), account)
        major = _major_of(data)
        programs = binaries.find_postgres(account, major=major)
        return cls(data_dir, data, programs, account, is_durable)

    @property
    def sockets(self) -> Path:
        return places.socket_folder(self.data_dir)

    @property
    def name(self) -> str:
        return "postgres"

    @property
    def origin(self) -> str:
        return str(self.programs)

    @property
    def stop_signal(self) -> signal.Signals:
        # The fast way ends connections and leaves nothing to recover; the immediate one leaves that undone.
        return signal.SIGINT if self.is_durable else signal.SIGQUIT

    @property
    def environment(self) -> dict[str, str]:
        return server_environment()

    @property
    def popen_options(self) -> dict[str, Any]:
        return self.account.popen_options()

    @property
    def command(self) -> list[str]:
        """The command that runs the server in the foreground."""
        settings = SETTINGS | {"unix_socket_directories": str(self.sockets)}
        settings |= {} if self.is_durable else THROWAWAY_SETTINGS
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self.programs.folder / "postgres"), "-D", str(self.data), *options]

    def create(self) -> None:
        """Make the cluster's files where there are none: all of them, or nothing. The socket's folder is made anew."""
        places.make_socket_folder(self.data_dir, self.account)
        if (self.data / "PG_VERSION").exists():
            return
        draft = self.data.with_name(f"{self.data.name}.{secrets.token_hex(4)}")
        draft.mkdir(mode=0o700)
        self.account.give(draft)
        try:
            self._run_initdb(draft)
            draft.rename(self.data)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def is_ready(self) -> bool:
        """Say whether the server answers. A killed one may still look alive to ``pg_ctl``."""
        try:
            self._connect().close()
        except psycopg.Error:
            return False
        return True

    def prepare(self) -> None:
        """Make the application's role and database where they are missing.

        The role is no superuser: a superuser can switch triggers off, and append-only would mean nothing.
        """
        name = sql.Identifier(places.DATABASE)
        with contextlib.closing(self._connect()) as connection:
            if not self._has(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s"):
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB NOSUPERUSER").format(name))
            if not self._has(connection, "SELECT 1 FROM pg_database WHERE datname = %s"):
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, name))

    def ask_to_end(self) -> None:
        """Ask a server that somebody else started to end, closing its connections; ``is_ready`` tells when it has."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            os.kill(int((self.data / "postmaster.pid").read_text().splitlines()[0]), signal.SIGINT)

    def has_ended(self) -> bool:
        """Say whether a server that was asked to end has done so in good order."""
        return not (self.data / "postmaster.pid").exists()

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=str(self.sockets),
            port=places.DATABASE_PORT,
            user=SUPERUSER,
            dbname=SUPERUSER,
            connect_timeout=2,
            autocommit=True,
        )

    @staticmethod
    def _has(connection: psycopg.Connection[tuple[object, ...]], query: str) -> bool:
        return connection.execute(query.encode(), [places.DATABASE]).fetchone() is not None

    def _run_initdb(self, target: Path) -> None:
        command = [
            str(self.programs.folder / "initdb"),
            "-D",
            str(target),
            "-U",
            SUPERUSER,
            "--auth=trust",
            "--encoding=UTF8",
        ]
        command += _locale_options(self.programs.major)
        command += [] if self.is_durable else ["--no-sync"]
        done = subprocess.run(
            command,
            cwd="/",
            env=server_environment(),
            capture_output=True,
            text=True,
            check=False,
            **self.account.popen_options(),
        )
        if done.returncode:
            raise EmbeddedError(f"A database could not be made in {target.parent}: {done.stderr.strip()}")


def _locale_options(major: int) -> list[str]:
    if major >= 17:
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--locale=C.UTF-8" if sys.platform == "linux" else "--locale=C"]


def _major_of(data: Path) -> int | None:
    try:
        return int((data / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None
