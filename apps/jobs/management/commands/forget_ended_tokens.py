"""``manage.py forget_ended_tokens``: what the tick of this name does, now and in this process."""

from typing import Any

from celery import current_app
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Delete the own credentials of jobs whose executions have ended. It does no harm beside a worker."

    def handle(self, *args: Any, **options: Any) -> None:
        current_app.loader.import_default_modules()
        self.stdout.write(f"Tokens deleted: {current_app.tasks['jobs.forget_ended_tokens']()}")
