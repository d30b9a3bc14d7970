"""``manage.py web``: the admin, the REST API and the robot API, on a WSGI server."""

from __future__ import annotations

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from orchestrator import serving
from orchestrator.management.commands import _arguments

MOST_WORKERS = 4
"""Beyond these, the database is what requests wait for; each process takes some 150 MB."""


class Command(BaseCommand):
    help = "Serve the admin, the REST API and the robot API."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
        parser.add_argument("--port", type=_arguments.port, default=8000)
        workers = min(MOST_WORKERS, os.cpu_count() or 1)
        each = f"processes (default: one for each processor, at most {MOST_WORKERS}; here {workers})"
        parser.add_argument("--workers", type=_arguments.at_least_one, default=workers, help=each)
        parser.add_argument(
            "--threads", type=_arguments.at_least_one, default=4, help="requests at once in each process (default: 4)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        serving.serve_web(options["host"], options["port"], workers=options["workers"], threads=options["threads"])
