"""``manage.py web``: the admin, the REST API and the robot API, on a WSGI server."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from orchestrator import serving


class Command(BaseCommand):
    help = "Serve the admin, the REST API and the robot API."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--workers", type=int, default=1, help="processes (default: 1)")
        parser.add_argument("--threads", type=int, default=8, help="requests at once in each process (default: 8)")

    def handle(self, *args: Any, **options: Any) -> None:
        serving.serve_web(options["host"], options["port"], workers=options["workers"], threads=options["threads"])
