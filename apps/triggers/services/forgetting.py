"""Letting firings go that were decided long ago."""

from __future__ import annotations

from django.db import transaction

from apps.core.actors import Actor
from apps.core.keeping import Gone, Keeping, delete, hold
from apps.rbac import services as rbac
from apps.triggers.models import Firing, forgetting


@transaction.atomic
def forget_old_firings(keeping: Keeping, *, actor: Actor, jobs: Keeping, limit: int) -> Gone:
    """Delete up to ``limit`` firings that were decided too long ago and whose jobs, kept as ``jobs`` says, are gone."""
    rbac.require(actor, "triggers.delete_firing", rbac.EVERYWHERE)
    going = forgetting.without_jobs(hold(Firing, forgetting.old_firings(keeping, jobs, limit)))
    delete("DELETE FROM triggers_firing WHERE id = ANY(%(ids)s)", going)
    return Gone(len(going))
