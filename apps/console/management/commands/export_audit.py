"""``manage.py export_audit``: a chain of the audit trail, to be checked by ``bin/verify-audit`` anywhere."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.audit import services as audit
from apps.console.management.commands._chains import output, tenant_id_of


class Command(BaseCommand):
    help = "Write the sealed audit trail of a tenant, with its seals, as a file that bin/verify-audit checks."

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--tenant", help="slug or id of the tenant")
        which.add_argument("--installation", action="store_true", help="the chain of what belongs to no tenant")
        parser.add_argument("--out", default="-", help="the file (default: print it)")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant_id = tenant_id_of(options["tenant"]) if options["tenant"] else None
        audit.seal_entries()
        with output(options["out"]) as file:
            file.writelines(audit.bundle(tenant_id))
        if options["out"] != "-":
            self.stdout.write(
                f"Written to {options['out']}. Check it: bin/verify-audit {options['out']} --key keys.pem"
            )
