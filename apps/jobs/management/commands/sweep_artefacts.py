"""``manage.py sweep_artefacts``: what the tick of this name does, now and in this process."""

from typing import Any

from celery import current_app
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Remove files of jobs, older than an hour, that nothing names any more. It does no harm beside a worker."

    def handle(self, *args: Any, **options: Any) -> None:
        current_app.loader.import_default_modules()
        self.stdout.write(f"Files removed: {current_app.tasks['jobs.sweep_artefacts']()}")
