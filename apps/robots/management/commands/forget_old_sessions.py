"""``manage.py forget_old_sessions``: what the tick of this name does, now and in this process."""

from typing import Any

from celery import current_app
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Delete sessions of robots that ended long ago and that no execution names. It does no harm beside a worker."

    def handle(self, *args: Any, **options: Any) -> None:
        current_app.loader.import_default_modules()
        self.stdout.write(f"Sessions deleted: {current_app.tasks['robots.forget_old_sessions']()}")
