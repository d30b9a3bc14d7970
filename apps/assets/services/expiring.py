"""Saying in time that assets expire."""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from apps.assets.models import Asset, Expiry
from apps.core.actors import Actor
from apps.events import services as events
from apps.rbac import services as rbac

BATCH = 1_000
"""So many are told of in one transaction."""


@transaction.atomic
def tell_of_expiry(*, actor: Actor) -> int:
    """Say once of each asset that it expires soon, and once that it has; returns how many were told of.

    What is over before it could be said to be near is told of as over alone.
    """
    rbac.require(actor, "assets.change_asset", rbac.EVERYWHERE)
    alive = Asset.objects.alive()
    over = alive.expiry(Expiry.EXPIRED).filter(told_expired_at=None)
    near = alive.expiry(Expiry.EXPIRING).filter(told_expiring_at=None)
    told = _tell("asset.expired", over, "told_expired_at", actor)
    return told + _tell("asset.expiring", near, "told_expiring_at", actor)


def _tell(event_type: str, assets: QuerySet[Asset], column: str, actor: Actor) -> int:
    found = list(assets.select_for_update(skip_locked=True).order_by("pk").values_list("pk", flat=True)[:BATCH])
    told = Asset.objects.filter(pk__in=found)
    told.update(**{column: Now()})
    return events.record_each(event_type, told, actor=actor)
