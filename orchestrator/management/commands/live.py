"""``manage.py live``: where robots wait, on an ASGI server."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from orchestrator import serving
from orchestrator.management.commands import _arguments


class Command(BaseCommand):
    help = "Serve the waiting robots. Without it everything works, a little later."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
        parser.add_argument("--port", type=_arguments.port, default=8001)
        parser.add_argument("--workers", type=_arguments.at_least_one, default=1, help="processes (default: 1)")

    def handle(self, *args: Any, **options: Any) -> None:
        serving.serve_live(options["host"], options["port"], workers=options["workers"])
