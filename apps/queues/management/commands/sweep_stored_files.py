"""``manage.py sweep_stored_files``: what the tick ``queues.sweep_files`` does, now and in this process."""

from typing import Any

from celery import current_app
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Remove files of items and stores, older than an hour, that nothing names any more. Safe beside a worker."

    def handle(self, *args: Any, **options: Any) -> None:
        current_app.loader.import_default_modules()
        self.stdout.write(f"Files removed: {current_app.tasks['queues.sweep_files']()}")
