"""Noting what the console needs to know about the system itself."""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now

from apps.console.models import RoleHeartbeat
from apps.console.rules import FORGOTTEN_AFTER
from apps.core.actors import Actor
from apps.rbac import services as rbac


@transaction.atomic
def note_role_seen(role: str, *, instance: str, actor: Actor) -> None:
    """Note that a process of a role is alive now, and forget those that have been silent for a day."""
    rbac.require(actor, "console.add_roleheartbeat", rbac.EVERYWHERE)
    RoleHeartbeat.objects.bulk_create(
        [RoleHeartbeat(role=role, instance=instance, at=Now())],
        update_conflicts=True,
        unique_fields=["role", "instance"],
        update_fields=["at"],
    )
    RoleHeartbeat.objects.filter(role=role, at__lt=Now() - FORGOTTEN_AFTER).delete()
