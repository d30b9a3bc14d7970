"""The whole system on one machine: servers, roles and robots under one supervisor."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from orchestrator.embedded import servers
from orchestrator.embedded.sharing import Hold
from orchestrator.supervisor import programs, readiness
from orchestrator.supervisor.progress import Progress
from orchestrator.supervisor.robots import Robots
from orchestrator.supervisor.supervisor import NotReady, Supervisor

ROLES = ("web", "live", "worker", "beat")
READY_SECONDS = 90.0
PREPARATIONS = (("migrate", "--noinput"),)


class System:
    """All processes of one data directory, from ``start`` to ``stop``.

    ``say`` gets one line at a time for the person at the terminal, from several threads. As a context manager it
    starts, waits until everything does its work, and stops at the end whatever happens. ``is_cancelled`` is asked
    several times a second until then; a yes ends the waiting with ``Cancelled``.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int = 8000,
        robots: int = 0,
        say: Callable[[str], None],
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self.data_dir = data_dir.resolve()
        self.port = port
        self.url = f"http://{programs.HOST}:{port}"
        self.live_url = f"http://{programs.HOST}:{port + 1}"
        self.robots = robots
        self._say = say
        self._is_cancelled = is_cancelled
        self._hold: Hold | None = None
        self._supervisor: Supervisor | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def supervisor(self) -> Supervisor:
        """The supervisor of a started system."""
        if self._supervisor is None:
            raise NotReady("The system is not started.")
        return self._supervisor

    @property
    def robot_command(self) -> Path:
        """The robots' own program; there once ``start`` has returned for a system with robots."""
        return Robots(self.data_dir, self.url, self.supervisor).executable

    def start(self) -> None:
        """Start everything, migrations included.

        Raises ``InUse`` where another system holds the data directory, ``EmbeddedError`` where a server cannot be had,
        and ``NotReady`` where something does not come up. Call ``stop`` after that as well.
        """
        self._hold = Hold(self.data_dir, f"{self.url}, since {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
        self._require_free_ports()
        self._supervisor = Supervisor(self.data_dir / "logs", say=self._say, is_cancelled=self._is_cancelled)
        self._start_servers(self._hold)
        self._prepare()
        self._start_roles()
        self._start_robots()

    def wait_ready(self, timeout: float = READY_SECONDS) -> None:
        """Wait until every role does its work; raises ``NotReady``."""
        self.supervisor.wait_ready(*ROLES, timeout=timeout)

    def stop(self) -> None:
        """Stop everything within ten seconds, leaving no process behind. May be called at any time, and again."""
        if self._supervisor is not None:
            self._supervisor.stop()
        if self._hold is not None:
            self._hold.release()
        self._supervisor = self._hold = None

    def manage(self, *arguments: str, on_line: Callable[[str], None] | None = None) -> str:
        """Run a management command beside the roles and return what it said; raises ``NotReady`` where it fails."""
        program = programs.of_command(self.data_dir, self.live_url, *arguments)
        return self.supervisor.run(program, on_line=on_line)

    def _require_free_ports(self) -> None:
        ports = (self.port, self.port + 1)
        taken = [str(port) for port in ports if not readiness.is_free(programs.HOST, port)]
        if taken:
            raise NotReady(f"Port {' and '.join(taken)} is taken by another program. Choose another with --port.")

    def _start_servers(self, hold: Hold) -> None:
        wanted = servers.needed(self.data_dir)
        hold.take_servers(wanted)
        for server in wanted:
            self.supervisor.say(f"Starting {server.origin}")
            server.create()
            self.supervisor.start(programs.of_server(server))
        for server in wanted:
            self.supervisor.wait_ready(server.name, timeout=servers.START_SECONDS)
            server.prepare()
        hold.share_servers()

    def _prepare(self) -> None:
        for arguments in PREPARATIONS:
            with Progress(arguments[0], self.supervisor.say) as progress:
                self.manage(*arguments, on_line=progress.note)

    def _start_roles(self) -> None:
        self.supervisor.say(f"Starting {', '.join(ROLES)} (logs in {self.supervisor.log_folder})")
        self.supervisor.start(programs.of_web(self.data_dir, self.port, self.live_url))
        self.supervisor.start(programs.of_live(self.data_dir, self.port + 1, self.live_url))
        for name in ("worker", "beat"):
            self.supervisor.start(programs.of_background(name, self.data_dir, self.live_url))

    def _start_robots(self) -> None:
        if not self.robots:
            return
        robots = Robots(self.data_dir, self.url, self.supervisor)
        robots.build()
        self.supervisor.wait_ready("web", timeout=READY_SECONDS)
        for number in range(1, self.robots + 1):
            name = f"robot-{number}"
            robots.enroll(name, self.manage)
            self.supervisor.start(robots.program(name))
        self.supervisor.say(f"Started {self.robots} robot{'' if self.robots == 1 else 's'}")
