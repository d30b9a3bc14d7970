"""``manage.py worker``: does the background work that Celery hands out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from orchestrator.management.commands import _arguments


class Command(BaseCommand):
    help = (
        "Do the background work, each queue in a process of its own. As many workers as you like may run, "
        "as long as every queue has one."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--queues",
            type=_arguments.queues,
            default=settings.QUEUES,
            help=f"the queues to work for, with commas between them (default: all: {','.join(settings.QUEUES)})",
        )
        parser.add_argument(
            "--threads", type=_arguments.at_least_one, default=2, help="tasks at once in each queue (default: 2)"
        )
        parser.add_argument("--ready-file", type=Path, help="file to make once the worker takes tasks of every queue")

    def handle(self, *args: Any, **options: Any) -> None:
        from orchestrator import background

        background.run_worker(queues=options["queues"], threads=options["threads"], ready_file=options["ready_file"])
