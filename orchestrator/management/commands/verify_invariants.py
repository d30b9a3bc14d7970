"""``manage.py verify_invariants``: is everything true that must always be true?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.jobs.models.invariants import MOST_NAMED, Finding, check_live


class Command(BaseCommand):
    help = (
        "Look for rows that break what must always be true about jobs, leases, results, logs, limits, triggers and "
        "tenants. It reads one moment of a live system, locks nothing and changes nothing. Exit code 1: something is "
        "broken."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--client-log",
            type=Path,
            help="JSON lines of what robots asked, ran and were told, to check as well what only they can know",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path = options["client_log"]
        findings = check_live(None if path is None else list(self._facts_in(path)))
        for finding in findings:
            self._tell(finding)
        broken = [finding.invariant.name for finding in findings if not finding.holds]
        if broken:
            raise CommandError(f"Broken: {', '.join(broken)}.", returncode=1)

    def _tell(self, finding: Finding) -> None:
        says = f"{finding.invariant.name:<4} {'ok    ' if finding.holds else 'BROKEN'} {finding.invariant.says}"
        self.stdout.write(says)
        for identity, problem in finding.broken:
            self.stdout.write(f"            {identity} {problem}")
        if len(finding.broken) == MOST_NAMED:
            self.stdout.write("            … and perhaps more")

    def _facts_in(self, path: Path) -> Iterator[dict[str, Any]]:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"The client log cannot be read: {error}") from error
        for number, line in enumerate(lines, start=1):
            try:
                fact = json.loads(line) if line.strip() else None
            except ValueError as error:
                raise CommandError(f"Line {number} of the client log is not JSON: {error}") from error
            if fact is not None:
                yield fact
