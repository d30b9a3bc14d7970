"""``manage.py up``: the whole system on this machine, until Ctrl-C."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from orchestrator import embedded
from orchestrator.management.commands import _arguments
from orchestrator.supervisor.interrupts import Interrupts
from orchestrator.supervisor.supervisor import Cancelled, NotReady
from orchestrator.supervisor.system import System


class Command(BaseCommand):
    help = "Start everything on this machine: database, broker, web, live, worker, beat and robots. Ctrl-C stops it."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--port", type=_arguments.port_with_next, default=8000, help="of web; live takes the next (default: 8000)"
        )
        parser.add_argument("--data", type=Path, default=embedded.default_data_dir(), help="data directory")
        parser.add_argument(
            "--robots", type=_arguments.how_many, default=0, help="how many robots to run here (default: none)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with Interrupts() as interrupts:
            system = System(
                options["data"],
                port=options["port"],
                robots=options["robots"],
                say=self.tell,
                is_cancelled=interrupts.have_come,
            )
            try:
                self._run(system, interrupts)
            except Cancelled:
                pass
            except (embedded.EmbeddedError, NotReady) as error:
                raise CommandError(str(error)) from error
            self.tell("Stopped.")

    def tell(self, message: str) -> None:
        """Print one line at once, also into a pipe."""
        self.stdout.write(message)
        self.stdout.flush()

    def _run(self, system: System, interrupts: Interrupts) -> None:
        with system:
            self.tell(f"Everything is running: {system.url}/admin/ (Ctrl-C stops it)")
            interrupts.wait()
            self.tell("Stopping …")
