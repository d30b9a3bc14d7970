"""``manage.py rotate_keys STEP``: new keys for what is sealed, while the system works."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import models

from apps.core.actors import Actor
from apps.core.errors import Conflict
from apps.encryption import services
from apps.encryption.models import DataKey, DataKeyStatus, sealed_fields
from apps.encryption.rules.envelopes import Unopenable

ACTOR = Actor.system("rotate_keys")
STEPS = {
    "master": "let the first of MASTER_KEYS wrap all data keys",
    "data": "make new data keys and seal everything anew",
    "resume": "seal anew what a run that was broken off has left",
    "destroy": "give up the old data keys that nothing needs",
}


class Command(BaseCommand):
    help = "Rotate the keys that secrets are sealed by. May be broken off at any moment and run again."

    def add_arguments(self, parser: CommandParser) -> None:
        told = "; ".join(f"{step}: {what}" for step, what in STEPS.items())
        parser.add_argument("step", choices=STEPS, help=told)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['step']}")()
        except Unopenable as error:
            raise CommandError(f"A key does not open what it should: {error}") from error

    def _master(self) -> None:
        self.stdout.write(f"Wrapped anew: {services.rewrap_data_keys(actor=ACTOR)} data keys.")

    def _data(self) -> None:
        for key in DataKey.objects.filter(status=DataKeyStatus.CURRENT).select_related("tenant"):
            self.stdout.write(f"Made: {services.rotate_data_key(key.tenant, actor=ACTOR)}.")
        self._resume()

    def _resume(self) -> None:
        for column in sealed_fields():
            self.stdout.write(f"{column[0]._meta.verbose_name}: {self._reencrypted(column)} sealed anew.")

    def _reencrypted(self, column: tuple[type[models.Model], str]) -> int:
        count, last = 0, None
        while True:
            batch = services.reencrypt_some(column, actor=ACTOR, after=last)
            count, last = count + batch.sealed, batch.last
            if last is None:
                return count

    def _destroy(self) -> None:
        for key in DataKey.objects.filter(status=DataKeyStatus.ACCEPTED).select_related("tenant"):
            try:
                services.destroy_data_key(key, actor=ACTOR)
                self.stdout.write(f"Given up: {key}.")
            except Conflict as refusal:
                self.stdout.write(f"Kept: {key}. {refusal}")
