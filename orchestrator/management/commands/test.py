"""``manage.py test``: every test, on a PostgreSQL of the run's own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from orchestrator import embedded, testing
from orchestrator.embedded.throwaway import throwaway
from orchestrator.supervisor.programs import byte_code


class Command(BaseCommand):
    help = "Run the tests. All arguments go to pytest: manage.py test tests/jobs -k claim"
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("arguments", nargs="*", help="for pytest")

    def run_from_argv(self, argv: Sequence[str]) -> None:
        """Hand everything to pytest as it was typed: its options are not ours to know."""
        if argv[2:3] in (["--help"], ["-h"]):
            self.print_help(argv[0], argv[1])
            return
        sys.exit(self.run(argv[2:]))

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(self.run(options["arguments"]))

    def run(self, arguments: Sequence[str]) -> int:
        """Run pytest and return its exit code."""
        browser = testing.find_browser()
        if browser is None:
            self._tell(testing.NO_BROWSER)
        command = testing.pytest_command(arguments, with_browser=browser is not None)
        try:
            with throwaway(self._tell) as found:
                return _run(command, found | ({testing.BROWSER_SETTING: browser} if browser else {}))
        except embedded.EmbeddedError as error:
            self._tell(f"Error: {error}")
            return 1

    def _tell(self, message: str) -> None:
        self.stdout.write(message)
        self.stdout.flush()


def _run(command: Sequence[str], found: Mapping[str, str]) -> int:
    environment = {**os.environ, "BV_NO_BOOTSTRAP": "1", **byte_code(embedded.default_data_dir()), **found}
    # Ctrl-C reaches pytest as well, which ends by itself and says what it did; our part is to clean up after it.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with subprocess.Popen(command, env=environment) as tests:
            signal.signal(signal.SIGTERM, lambda number, frame: tests.terminate())
            return tests.wait()
    finally:
        signal.signal(signal.SIGINT, before)
