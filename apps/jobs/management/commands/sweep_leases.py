"""``manage.py sweep_leases``: what the tick of this name does, now and in this process."""

from typing import Any

from celery import current_app
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = (
        "Close executions whose lease or time has run out. After an outage of the control plane it closes nothing for "
        "the length of one lease. It does no harm beside a worker."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        current_app.loader.import_default_modules()
        self.stdout.write(f"Executions closed: {current_app.tasks['jobs.sweep_leases']()}")
