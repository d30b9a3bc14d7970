"""``manage.py create_tenant NAME``: a tenant with its default folder."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.core.actors import Actor
from apps.tenancy import services
from apps.tenancy.models import Tenant
from orchestrator.management.commands._refusals import refusals_told


class Command(BaseCommand):
    help = "Make a tenant and its default folder, Shared."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="what people call it")
        parser.add_argument("--slug", default="", help="its name in addresses (default: made from the name)")
        parser.add_argument("--if-none", action="store_true", help="do nothing where there is a tenant already")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["if_none"] and Tenant.objects.exists():
            return
        with refusals_told():
            tenant = services.create_tenant(options["name"], actor=Actor.system("create_tenant"), slug=options["slug"])
        self.stdout.write(f"Made the tenant {tenant.name}, slug {tenant.slug}.")
