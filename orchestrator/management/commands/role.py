"""``manage.py role``: what a container runs."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from orchestrator import containers, embedded


class Command(BaseCommand):
    help = (
        "Run the role that APP_ROLE names: web, live, worker, beat or migrate. For containers: it listens on all "
        "addresses. With --check, say whether the one that runs in this container does its work."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="run nothing; end with 1 unless all is well")
        parser.add_argument(
            "--print", action="store_true", dest="is_printed", help="run nothing; show the command that would be run"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            role = containers.role()
        except containers.UnknownRole as error:
            raise CommandError(str(error)) from error
        if options["check"]:
            self._check(role)
        elif options["is_printed"]:
            self.stdout.write(f"manage.py {' '.join(containers.COMMANDS[role])}")
        else:
            # In place of this process, so that it gets the signals that are meant for it.
            manage = str(embedded.CHECKOUT / "manage.py")
            os.execv(sys.executable, [sys.executable, manage, *containers.COMMANDS[role]])

    def _check(self, role: str) -> None:
        if not containers.is_well(role):
            raise CommandError(f"{role} does not do its work.")
        self.stdout.write(f"{role} does its work.")
