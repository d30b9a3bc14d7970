"""``manage.py prune``: what the tick of this name does, now, to its end, and in this process."""

from __future__ import annotations

from typing import Any, Final

from celery import current_app
from django.core.management.base import BaseCommand, CommandParser

from apps.configuration.models import Setting
from apps.retention.models import KINDS, Pruning, forecasts
from apps.retention.models.kinds import ENABLED, GROUP

#: A dry run counts no further.
MOST_COUNTED: Final = 100_000


class Command(BaseCommand):
    help = (
        "Let go what the settings keep no longer: jobs, items, firings, logs, events, audit. It does no harm beside a "
        "worker, and may be stopped at any time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what would go")

    def handle(self, *args: Any, **options: Any) -> None:
        values = Setting.objects.in_force(GROUP)
        if not values[ENABLED]:
            self.stdout.write("Nothing goes: retention_enabled is off. Switch it on under Settings.")
        elif options["dry_run"]:
            self._tell_what_would_go(values)
        else:
            self._prune()

    def _tell_what_would_go(self, values: dict[str, Any]) -> None:
        for kind in KINDS.values():
            due = forecasts.due_now(kind, values, most=MOST_COUNTED)
            more = "more than " if due.rows > MOST_COUNTED else "about " if kind.stream is not None else ""
            periods = f" ({', '.join(due.partitions)})" if due.partitions else ""
            self.stdout.write(f"{kind.title}: {more}{min(due.rows, MOST_COUNTED):,} would go{periods}")

    def _prune(self) -> None:
        current_app.loader.import_default_modules()
        gone = current_app.tasks["retention.prune"](seconds=None)
        problems = dict(Pruning.objects.values_list("kind", "problem"))
        for name, count in gone.items():
            trouble = f"; stopped: {problems[name]}" if problems[name] else ""
            self.stdout.write(f"{KINDS[name].title}: {count:,} gone{trouble}")
