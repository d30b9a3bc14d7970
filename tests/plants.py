"""Servers and roles of one's own below one folder: for what must be killed, cut off or measured.

The product's own supervisor keeps them running, so what is killed comes back as it would for an operator.
"""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import environ
import psutil
from django.db import connection, connections

from orchestrator import embedded
from orchestrator.embedded import places, servers
from orchestrator.embedded.postgres import Cluster
from orchestrator.embedded.servers import Server
from orchestrator.embedded.valkey import Broker
from orchestrator.supervisor import programs, readiness
from orchestrator.supervisor.children import BackOff, Program
from orchestrator.supervisor.supervisor import Supervisor
from tests import roles

ROLES = ("web", "live", "worker", "beat")
QUICKLY = BackOff(first=0.2, cap=0.4)
READY_SECONDS = 90.0


class Plant:
    """A PostgreSQL that keeps what it confirmed, a broker, and the roles that are asked for.

    ``settings`` are variables for the roles, such as ``LEASE_TTL="4"``. Nothing runs before ``start``; the caller calls
    ``stop`` whatever happens.
    """

    def __init__(self, folder: Path, *, say: Callable[[str], None] = lambda line: None, **settings: str) -> None:
        self.folder = folder
        self.database_url, self.broker_url = embedded.urls(folder).database, embedded.urls(folder).broker
        self.port, self.live_port = roles.free_port(), roles.free_port()
        self.url, self.live_url = f"http://{programs.HOST}:{self.port}", f"http://{programs.HOST}:{self.live_port}"
        self.supervisor = Supervisor(folder / "logs", say=say, back_off=QUICKLY)
        self.supervisor.guardian.remove_at_end(places.socket_folder(folder))
        self._settings = settings

    def start(self, *names: str, web: tuple[str, ...] = ()) -> None:
        """Start the servers, migrate, and start these roles; ``web`` are arguments for that role."""
        both: list[Server] = [Cluster.of(self.folder), Broker.of(self.folder)]
        for server in both:
            server.create()
            self.supervisor.start(programs.of_server(server))
        for server in both:
            self.supervisor.wait_ready(server.name, timeout=servers.START_SECONDS)
            server.prepare()
        self.manage("migrate", "--noinput")
        for name in names:
            self.supervisor.start(self._program(name, web))
        self.wait_ready(*names)

    def manage(self, *arguments: str) -> str:
        """Run a management command beside the roles and return what it said; raises ``NotReady`` where it fails."""
        return self.supervisor.run(self._role(*arguments))

    def wait_ready(self, *names: str) -> None:
        """Wait until these servers and roles do their work; raises ``NotReady``."""
        self.supervisor.wait_ready(*names, timeout=READY_SECONDS)

    def processes(self, name: str) -> list[psutil.Process]:
        """Return the processes of a role or server that run at this moment."""
        pid = self.supervisor.pid_of(name)
        if pid is None:
            return []
        leader = psutil.Process(pid)
        return [leader, *leader.children(recursive=True)]

    def kill(self, name: str) -> None:
        """``kill -9`` everything of a role or server. The supervisor starts it again; see ``wait_ready``."""
        for process in self.processes(name):
            process.kill()

    def stop_database_at_once(self) -> None:
        """Stop PostgreSQL as a crash would: connections cut, nothing written back. The supervisor starts it again."""
        self.processes("postgres")[0].send_signal(signal.SIGQUIT)

    def stop(self) -> None:
        """End everything and leave nothing behind but the folder."""
        self.supervisor.stop()
        places.remove_socket_folder(self.folder)

    def _program(self, name: str, web: tuple[str, ...]) -> Program:
        match name:
            case "web":
                ready = partial(readiness.answers_http, self.port, "/health/live")
                return self._role("web", "--port", str(self.port), *web, is_ready=ready)
            case "live":
                ready = partial(readiness.accepts_connections, self.live_port)
                return self._role("live", "--port", str(self.live_port), is_ready=ready)
            case _:
                sign = self.folder / f"{name}.ready"
                return self._role(name, "--ready-file", str(sign), is_ready=sign.exists)

    def _role(self, *arguments: str, is_ready: Callable[[], bool] | None = None) -> Program:
        return Program(
            arguments[0],
            [sys.executable, str(embedded.CHECKOUT / "manage.py"), *arguments],
            self._environment(),
            rank=programs.ROLE_RANK,
            grace=programs.ROLE_GRACE,
            is_ready=is_ready,
            folder=embedded.CHECKOUT,
        )

    def _environment(self) -> dict[str, str]:
        """Return what the roles need to work here with this process's keys and files."""
        ours = {
            "DATABASE_URL": self.database_url,
            "CELERY_BROKER_URL": self.broker_url,
            "BV_DATA_DIR": str(self.folder),
            "METRICS_DIR": str(self.folder / "metrics"),
            "LIVE_URL": self.live_url,
        }
        return roles.environment(**(ours | self._settings))


@contextmanager
def plant(*names: str, web: tuple[str, ...] = (), **settings: str) -> Iterator[Plant]:
    """Have a plant with these roles for the time of a block."""
    folder = Path(tempfile.mkdtemp(prefix="bv-plant-"))
    folder.chmod(0o711)  # PostgreSQL's account must pass through where we are root.
    made = Plant(folder, **settings)
    made.supervisor.guardian.remove_at_end(folder)
    try:
        made.start(*names, web=web)
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def at_home_in(place: Plant) -> Iterator[None]:
    """Let this process's own services and models work on the plant's database for the time of a block."""
    facts = connection.settings_dict
    before = dict(facts)
    wanted = environ.Env.db_url_config(place.database_url)
    connections.close_all()
    facts.update(wanted, OPTIONS=before["OPTIONS"] | wanted.get("OPTIONS", {}))
    try:
        yield
    finally:
        connections.close_all()
        facts.update(before)
