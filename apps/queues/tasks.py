"""What the clock wakes."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from apps.core import bulk
from apps.core.actors import Actor
from apps.queues import services
from apps.queues.models import ItemBulkChange

#: A file younger than this may belong to an upload that is under way.
YOUNGEST_ORPHAN = timedelta(hours=1)

#: For so long a table waits for the word to add it.
UPLOADS_STAY = timedelta(hours=24)


@shared_task(name="queues.sweep_files")
def sweep_files() -> int:
    """Remove files of items and stores that no row names."""
    return services.sweep_files(timezone.now() - YOUNGEST_ORPHAN, actor=Actor.system("sweep"))


@shared_task(name="queues.work_off_bulk_changes")
def work_off_bulk_changes() -> int:
    """Work off what was asked for many items at once, a batch after the other."""
    actor = Actor.system("bulk")
    return bulk.work_off(
        ItemBulkChange.objects.open(), lambda change: services.advance_item_change(change, actor=actor)
    )


@shared_task(name="queues.forget_uploads")
def forget_uploads() -> int:
    """Forget tables of items that nobody said a word about."""
    return services.forget_uploads(timezone.now() - UPLOADS_STAY, actor=Actor.system("retention"))
