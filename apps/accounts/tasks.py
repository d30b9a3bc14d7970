"""What the clock wakes."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from apps.accounts import services
from apps.audit import services as audit
from apps.core.actors import Actor

#: An address is new again where it was first met longer ago than this.
ADDRESSES_KEPT = timedelta(days=365)


@shared_task(name="accounts.forget_uses")
def forget_uses() -> None:
    """Forget counts of keys that nobody is told of any more, and from where credentials were used long ago."""
    actor, now = Actor.system("upkeep of keys"), timezone.now()
    services.forget_uses((now - timedelta(days=services.KEPT_DAYS)).date(), actor=actor)
    audit.forget_addresses(now - ADDRESSES_KEPT)


@shared_task(name="accounts.forget_ended_sessions")
def forget_ended_sessions() -> int:
    """Delete sessions that are over and tries to sign in that count no longer; returns how many rows there were."""
    return services.forget_ended_sessions(actor=Actor.system("retention"))
