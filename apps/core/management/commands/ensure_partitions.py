"""``manage.py ensure_partitions``: for start-up, and for the owner of the tables where that is another role."""

from typing import Any

from django.core.management.base import BaseCommand

from apps.core import streams


class Command(BaseCommand):
    help = "Make the partitions of every stream for now and the time to come."

    def handle(self, *args: Any, **options: Any) -> None:
        for name in streams.ensure_partitions():
            self.stdout.write(name)
