"""``manage.py sweep_start_deadlines``: what the tick of this name does, now and in this process."""

from typing import Any

from celery import current_app
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Fail pending jobs that nobody started by their deadline. It does no harm beside a worker."

    def handle(self, *args: Any, **options: Any) -> None:
        current_app.loader.import_default_modules()
        self.stdout.write(f"Jobs expired: {current_app.tasks['jobs.sweep_start_deadlines']()}")
