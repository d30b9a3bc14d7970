"""``manage.py export_audit_heads``: the signed heads of the audit trail, or the keys that they are signed by."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.audit import services as audit
from apps.console.management.commands._chains import output
from apps.encryption import services as encryption


class Command(BaseCommand):
    help = (
        "Write the signed head of each chain of the audit trail, a line each. Kept on another system, they show later "
        "whether anything before them was cut off or written anew."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--keys", action="store_true", help="write the public keys (PEM) instead")
        parser.add_argument("--out", default="-", help="the file (default: print them)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["keys"]:
            lines = [key.pem for key in encryption.public_keys()]
        else:
            audit.seal_entries()
            lines = [f"{json.dumps(head)}\n" for head in audit.signed_heads(audit.heads())]
        with output(options["out"]) as file:
            file.writelines(line.encode() for line in lines)
