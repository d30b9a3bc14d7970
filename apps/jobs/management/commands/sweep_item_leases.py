"""``manage.py sweep_item_leases``: what the tick ``queues.sweep_leases`` does, now and in this process."""

from typing import Any

from celery import current_app
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = (
        "Take items back from holders outside jobs whose lease has run out. After an outage of the control plane it "
        "takes back nothing for the length of one lease. It does no harm beside a worker."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        current_app.loader.import_default_modules()
        self.stdout.write(f"Items taken back: {current_app.tasks['queues.sweep_leases']()}")
