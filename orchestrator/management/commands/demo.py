"""``manage.py demo``: the whole system, and a real package run on a real robot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from orchestrator import embedded
from orchestrator.demo import ADMINISTRATOR, Demo, DemoFailed, Outcome
from orchestrator.management.commands import _arguments
from orchestrator.supervisor.interrupts import Interrupts
from orchestrator.supervisor.supervisor import Cancelled, NotReady
from orchestrator.supervisor.system import System


class Command(BaseCommand):
    help = "Start everything on this machine with one robot, run an example on it, and stay up until Ctrl-C."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--port", type=_arguments.port_with_next, default=8000, help="of web; live takes the next (default: 8000)"
        )
        parser.add_argument("--data", type=Path, default=embedded.default_data_dir(), help="data directory")
        parser.add_argument("--exit", action="store_true", help="stop everything after the job; 0 if it completed")

    def handle(self, *args: Any, **options: Any) -> None:
        with Interrupts() as interrupts:
            system = System(
                options["data"], port=options["port"], robots=1, say=self.tell, is_cancelled=interrupts.have_come
            )
            try:
                self._run(system, interrupts, stays=not options["exit"])
            except Cancelled as error:
                self.tell("Stopped.")
                if options["exit"]:
                    raise CommandError("The job had not ended.") from error
            except (embedded.EmbeddedError, NotReady, DemoFailed) as error:
                raise CommandError(str(error)) from error

    def tell(self, message: str) -> None:
        """Print one line at once, also into a pipe."""
        self.stdout.write(message)
        self.stdout.flush()

    def _run(self, system: System, interrupts: Interrupts, *, stays: bool) -> None:
        with system:
            demo = Demo(system, say=self.tell, is_cancelled=interrupts.have_come)
            outcome = demo.run(lambda line: self.tell(f"  │ {line}"))
            self._show(system, demo, outcome)
            if stays:
                self.tell("Everything stays up until Ctrl-C. Press it to stop.")
                interrupts.wait()
            self.tell("Stopping …")
        self.tell("Stopped.")
        if outcome.status != "completed":
            raise CommandError(f"The job ended as {outcome.status}.")

    def _show(self, system: System, demo: Demo, outcome: Outcome) -> None:
        self.tell(f"The job has {outcome.status}. Its result:")
        self.tell(json.dumps(outcome.result if outcome.error is None else outcome.error, indent=2, ensure_ascii=False))
        self.tell("")
        self.tell(f"  Look at it:  {outcome.address}")
        self.tell(f"  Admin:       {system.url}/admin/")
        password = demo.password or "the one you gave it"
        self.tell(f"  Sign in as:  {ADMINISTRATOR}, password {password}")
        self.tell("")
