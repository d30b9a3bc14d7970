"""What the clock wakes."""

from celery import shared_task

from apps.core import streams


@shared_task(name="events.ensure_partitions")
def ensure_partitions() -> None:
    """Make the partitions of every stream for the time to come."""
    streams.ensure_partitions()
