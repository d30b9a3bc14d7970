"""What the clock wakes."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from apps.core.actors import Actor
from apps.queues import services

#: A file younger than this may belong to an upload that is under way.
YOUNGEST_ORPHAN = timedelta(hours=1)


@shared_task(name="queues.sweep_files")
def sweep_files() -> int:
    """Remove files of items and stores that no row names."""
    return services.sweep_files(timezone.now() - YOUNGEST_ORPHAN, actor=Actor.system("sweep"))
