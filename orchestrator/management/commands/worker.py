"""``manage.py worker``: does the background work that Celery hands out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from orchestrator.management.commands import _arguments


class Command(BaseCommand):
    help = "Run a Celery worker. As many as you like may run."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--threads", type=_arguments.at_least_one, default=4, help="tasks at once (default: 4)")
        parser.add_argument("--ready-file", type=Path, help="file to make once the worker takes tasks")

    def handle(self, *args: Any, **options: Any) -> None:
        from orchestrator import background

        background.run_worker(threads=options["threads"], ready_file=options["ready_file"])
