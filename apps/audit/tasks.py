"""What the clock wakes."""

from celery import shared_task

from apps.audit import services


@shared_task(name="audit.seal_entries")
def seal_entries() -> None:
    """Seal what has been written since the last time."""
    services.seal_entries()
