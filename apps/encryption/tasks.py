"""What the clock wakes."""

from __future__ import annotations

from celery import shared_task

from apps.core.actors import Actor
from apps.encryption import services
from apps.encryption.models import sealed_fields


@shared_task(name="encryption.reencrypt", expires=600)
def reencrypt() -> int:
    """Go on with what a rotation has left to be sealed anew; returns how many secrets it were."""
    actor, count = Actor.system("encryption"), 0
    for column in sealed_fields():
        last = None
        while True:
            batch = services.reencrypt_some(column, actor=actor, after=last)
            count, last = count + batch.sealed, batch.last
            if last is None:
                break
    return count
