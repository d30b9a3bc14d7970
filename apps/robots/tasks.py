"""What the clock wakes."""

from datetime import timedelta
from typing import Final

from celery import shared_task
from django.utils import timezone

from apps.core import streams
from apps.core.actors import Actor
from apps.robots import services
from apps.robots.models import RobotSample

#: Charts show a day; the rest is for whoever looks into a weekend.
SAMPLES_KEPT: Final = timedelta(days=4)


@shared_task(name="robots.forget_old_sessions")
def forget_old_sessions() -> int:
    """Delete sessions that ended long ago."""
    return services.forget_old_sessions(actor=Actor.system("retention"))


@shared_task(name="robots.drop_old_samples")
def drop_old_samples() -> int:
    """Drop what robots measured long ago, whole days at a time; returns how many days."""
    return len(streams.drop_partitions_before(RobotSample, timezone.now() - SAMPLES_KEPT))
