"""Holding a trigger while it is changed."""

from __future__ import annotations

from apps.core.errors import Conflict
from apps.triggers.models import Trigger


def lock(trigger: Trigger) -> None:
    """Read a trigger again and hold it. Raises ``Conflict`` where it was deleted meanwhile."""
    trigger.refresh_from_db(from_queryset=Trigger.objects.select_for_update(of=("self",)))
    if trigger.deleted_at is not None:
        raise Conflict("The trigger was deleted.", code="trigger_deleted")
