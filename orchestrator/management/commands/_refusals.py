"""What commands that call services share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError, CommandParser

from apps.core.errors import DomainError
from apps.tenancy.models import Tenant


@contextmanager
def refusals_told() -> Iterator[None]:
    """Turn a service's refusal into the command's error message."""
    try:
        yield
    except DomainError as refusal:
        raise CommandError(str(refusal)) from refusal


def add_tenant_arguments(parser: CommandParser, *, otherwise: str = "the only tenant") -> None:
    """Let a command be told which tenant is meant."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--tenant", default=None, help=f"slug (default: {otherwise})")
    which.add_argument("--oldest-tenant", action="store_true", help="where there are several, the one made first")


def tenant_of(options: Mapping[str, Any]) -> Tenant:
    """Return the tenant that is meant: the named one, or the only one there is. Raises ``CommandError``."""
    slug = options["tenant"]
    tenants = list(Tenant.objects.filter(**({"slug": slug} if slug else {})).order_by("pk")[:2])
    if len(tenants) == 1 or (tenants and options["oldest_tenant"]):
        return tenants[0]
    if not tenants:
        raise CommandError(f"There is no tenant {slug!r}." if slug else "There is no tenant. Make one: create_tenant.")
    raise CommandError("There are several tenants. Name one with --tenant SLUG.")
