"""``manage.py create_machine NAME``: a machine with an enrolment key."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.core.actors import Actor
from apps.robots import services
from apps.robots.models import Machine
from apps.runner import services as runner
from apps.tenancy import services as tenancy
from apps.tenancy.models import Tenant
from orchestrator.management.commands._refusals import add_tenant_arguments, refusals_told, tenant_of


class Command(BaseCommand):
    help = "Make a machine, or replace the key of the one with this name, and print its enrolment key this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        add_tenant_arguments(parser, otherwise="the only tenant; made if there is none")
        parser.add_argument("--print-key", action="store_true", help="print the key and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = Actor.system("create_machine")
        with refusals_told():
            if not options["tenant"] and not Tenant.objects.exists():
                tenancy.create_tenant("Default", actor=actor)
            key = self._key(options, actor)
        self.stdout.write(key if options["print_key"] else f"Enrolment key of {options['name']}: {key}")

    def _key(self, options: dict[str, Any], actor: Actor) -> str:
        tenant = tenant_of(options)
        known = Machine.objects.alive().filter(tenant=tenant, name__iexact=options["name"]).first()
        if known is not None:
            return runner.regenerate_key(known, actor=actor)
        _, key = services.create_machine(tenant, actor=actor, name=options["name"])
        return key
