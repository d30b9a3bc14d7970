"""Choosing chains of the audit trail in commands, and where to write."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from django.core.management.base import CommandError

from apps.tenancy.models import Tenant


def tenant_id_of(text: str) -> UUID:
    """Return the tenant that is meant, by slug or id, even one of which only the trail is left."""
    try:
        return UUID(text)
    except ValueError:
        found = Tenant.objects.filter(slug=text).values_list("pk", flat=True).first()
    if found is None:
        raise CommandError(f"There is no tenant “{text}”: give its slug or its id.")
    return found


@contextmanager
def output(path: str) -> Iterator[BinaryIO]:
    """Open what is written to: a file, or for a dash what the command prints to."""
    if path == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        with Path(path).open("wb") as file:
            yield file
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
