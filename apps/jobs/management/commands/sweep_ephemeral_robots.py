"""``manage.py sweep_ephemeral_robots``: what the tick of this name does, now and in this process."""

from typing import Any

from celery import current_app
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Let robots go that came for one job and have not been heard for a day. It does no harm beside a worker."

    def handle(self, *args: Any, **options: Any) -> None:
        current_app.loader.import_default_modules()
        self.stdout.write(f"Robots gone: {current_app.tasks['jobs.sweep_ephemeral_robots']()}")
