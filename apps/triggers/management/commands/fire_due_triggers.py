"""``manage.py fire_due_triggers``: what the tick of this name does, now and in this process."""

from typing import Any

from celery import current_app
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = (
        "Fire the triggers whose time has come. Each due time fires once, also beside workers that do the same, and "
        "times that were missed follow the rules of their trigger."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        current_app.loader.import_default_modules()
        self.stdout.write(f"Triggers looked at: {current_app.tasks['triggers.fire_due']()}")
