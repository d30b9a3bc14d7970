"""``manage.py create_api_key USER``: a key for a user's programs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts import services
from apps.accounts.models import User
from apps.core.actors import Actor
from orchestrator.management.commands import _arguments
from orchestrator.management.commands._refusals import add_tenant_arguments, refusals_told, tenant_of


class Command(BaseCommand):
    help = "Make an API key for a user in one tenant and print it. It is shown this once and stored only as a hash."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        add_tenant_arguments(parser)
        parser.add_argument("--name", default="command line", help="what uses the key")
        parser.add_argument("--days", type=_arguments.whole_number, default=90, help="how long it works (default: 90)")
        parser.add_argument("--print-key", action="store_true", help="print the key and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username__iexact=options["username"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['username']!r}.")
        tenant = tenant_of(options)
        with refusals_told():
            _, key = services.create_api_key(
                user,
                actor=Actor.system("create_api_key"),
                tenant=tenant,
                name=options["name"],
                life=timedelta(days=options["days"]),
            )
        self.stdout.write(key if options["print_key"] else f"API key of {user.username} in {tenant.slug}: {key}")
