"""What commands that call services share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError

from apps.core.errors import DomainError
from apps.tenancy.models import Tenant


@contextmanager
def refusals_told() -> Iterator[None]:
    """Turn a service's refusal into the command's error message."""
    try:
        yield
    except DomainError as refusal:
        raise CommandError(str(refusal)) from refusal


def tenant_named(slug: str | None) -> Tenant:
    """Return the tenant with this slug, or the only one there is. Raises ``CommandError``."""
    tenants = list(Tenant.objects.filter(**({"slug": slug} if slug else {}))[:2])
    if len(tenants) == 1:
        return tenants[0]
    if not tenants:
        raise CommandError(f"There is no tenant {slug!r}." if slug else "There is no tenant. Make one: create_tenant.")
    raise CommandError("There are several tenants. Name one with --tenant SLUG.")
