"""``manage.py sweep_files``: what the tick of this name does, now and in this process."""

from typing import Any

from celery import current_app
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Remove package files older than an hour that no living version names. It does no harm beside a worker."

    def handle(self, *args: Any, **options: Any) -> None:
        current_app.loader.import_default_modules()
        self.stdout.write(f"Files removed: {current_app.tasks['packages.sweep_files']()}")
