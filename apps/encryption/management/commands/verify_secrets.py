"""``manage.py verify_secrets``: whether every secret still opens."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.encryption import services


class Command(BaseCommand):
    help = "Open every secret with the keys at hand, show none, and name those that do not open."

    def handle(self, *args: Any, **options: Any) -> None:
        count = 0
        for flaw in (*services.flaws_of_keys(), *services.flaws_of_secrets()):
            self.stderr.write(str(flaw))
            count += 1
        if count:
            raise CommandError(f"{count} do not open. Are all keys of MASTER_KEYS given that were ever used?")
        self.stdout.write("Every secret opens.")
