"""``manage.py rotate_audit_key``: sign the audit trail by a new key from now on."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from apps.core.actors import Actor
from apps.encryption import services


class Command(BaseCommand):
    help = "Let a new key sign the seals of the audit trail; what the old one signed is checked as before."

    def handle(self, *args: Any, **options: Any) -> None:
        key = services.rotate_signing_key(actor=Actor.system("rotate_audit_key"))
        self.stdout.write(f"The {key} signs from now on. Fetch it: manage.py export_audit_heads --keys")
