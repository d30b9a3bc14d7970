"""``manage.py beat``: sends the ticks that wake the workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    help = "Run Celery beat. One is enough; two do no harm."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--ready-file", type=Path, help="file to make once beat ticks")

    def handle(self, *args: Any, **options: Any) -> None:
        from orchestrator import background

        background.run_beat(ready_file=options["ready_file"])
