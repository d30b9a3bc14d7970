"""Who may start and end the servers of a data directory.

``up.lock`` is held by the one ``up``. ``use.lock`` is shared by everybody who uses the servers, ``up`` among them;
whoever can take it alone is the last, and ends them. ``start.lock`` lets commands start and leave one by one.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.embedded import places, servers
from orchestrator.embedded.errors import EmbeddedError, InUse
from orchestrator.embedded.locks import FileLock, held_alone, wait_until
from orchestrator.embedded.servers import Server

TAKE_SECONDS = 10.0


class Hold:
    """The hold of the one ``up`` on a data directory."""

    def __init__(self, data_dir: Path, note: str) -> None:
        """Take hold, leaving a note about who we are; raises ``InUse`` with the note of another ``up``."""
        places.make_data_dir(data_dir)
        self.data_dir = data_dir
        self._up = FileLock(data_dir / "up.lock")
        if not self._up.try_alone():
            holder = self._up.read().strip()
            self._up.close()
            raise InUse(f"{data_dir} is in use by another `up` ({holder}). Stop it, or choose a folder with --data.")
        self._up.write(f"process {os.getpid()}, {note}\n")
        self._use = FileLock(data_dir / "use.lock")

    def take_servers(self, wanted: list[Server]) -> None:
        """Keep everybody away from the servers, and end those that a killed process left; raises ``InUse``."""
        if not wait_until(self._use.try_alone, seconds=TAKE_SECONDS):
            raise InUse(f"Another command uses the database in {self.data_dir}. Wait for its end, then try again.")
        for server in reversed(wanted):
            servers.end(server)

    def share_servers(self) -> None:
        """Let commands use the servers, now that they answer."""
        self._use.share()

    def release(self) -> None:
        """Let go of everything, once the servers have ended."""
        places.remove_socket_folder(self.data_dir)
        self._use.close()
        self._up.close()


@contextmanager
def servers_for_command(data_dir: Path) -> Iterator[None]:
    """Have the servers run for the time of a block: those that run already, or else our own.

    The last user to leave ends them. Raises ``EmbeddedError`` where they cannot be had.
    """
    places.make_data_dir(data_dir)
    wanted = servers.needed(data_dir)
    with contextlib.closing(FileLock(data_dir / "use.lock")) as use:
        with held_alone(data_dir / "start.lock"):
            started = _join_or_release(wanted, use, data_dir / "logs")
        try:
            yield
        finally:
            with held_alone(data_dir / "start.lock"):
                _leave(data_dir, wanted, use, started)


def _join_or_release(wanted: list[Server], use: FileLock, log_folder: Path) -> list[subprocess.Popen[bytes]]:
    try:
        return _join(wanted, use, log_folder)
    except BaseException:
        use.release()  # While nobody else may join: the next one must see that nobody uses the servers.
        raise


def _join(wanted: list[Server], use: FileLock, log_folder: Path) -> list[subprocess.Popen[bytes]]:
    use.share()
    if all(server.is_ready() for server in wanted):
        return []
    is_first = use.try_alone()
    use.share()
    if is_first:
        return _start_all([server for server in wanted if not server.is_ready()], log_folder)
    for server in wanted:
        if not wait_until(server.is_ready, seconds=servers.START_SECONDS):
            raise InUse(f"{server.name} is in use by another command, but does not answer. End that command first.")
    return []


def _start_all(missing: list[Server], log_folder: Path) -> list[subprocess.Popen[bytes]]:
    started = []
    try:
        for server in missing:
            started.append(process := _start(server, log_folder))
            _await_ready(server, process, log_folder)
            server.prepare()
    except BaseException:
        for process in started:
            process.terminate()
            process.wait()
        raise
    return started


def _await_ready(server: Server, process: subprocess.Popen[bytes], log_folder: Path) -> None:
    def is_decided() -> bool:
        return process.poll() is not None or server.is_ready()

    if not wait_until(is_decided, seconds=servers.START_SECONDS) or process.returncode is not None:
        log = log_folder / f"{server.name}.log"
        raise EmbeddedError(f"{server.name} did not start. The end of {log}:\n{log.read_text()[-1500:]}")


def _start(server: Server, log_folder: Path) -> subprocess.Popen[bytes]:
    server.create()
    log_folder.mkdir(mode=0o700, exist_ok=True)
    with (log_folder / f"{server.name}.log").open("ab") as log:
        return subprocess.Popen(
            server.command,
            env=server.environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **server.popen_options,
        )


def _leave(data_dir: Path, wanted: list[Server], use: FileLock, started: list[subprocess.Popen[bytes]]) -> None:
    use.release()
    if use.try_alone():
        for server in reversed(wanted):
            servers.end(server)
        for process in started:
            process.wait()
        places.remove_socket_folder(data_dir)
