"""What the clock wakes."""

from celery import shared_task

from apps.core.actors import Actor
from apps.robots import services


@shared_task(name="robots.forget_old_sessions")
def forget_old_sessions() -> int:
    """Delete sessions that ended long ago."""
    return services.forget_old_sessions(actor=Actor.system("retention"))
