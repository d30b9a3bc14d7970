"""What the clock wakes."""

from __future__ import annotations

import json
from pathlib import Path

import structlog
from celery import shared_task
from django.conf import settings

from apps.audit import services
from apps.audit.models import AuditSeal

log = structlog.get_logger(__name__)


@shared_task(name="audit.seal_entries")
def seal_entries() -> None:
    """Seal what has been written since the last time, and leave the new heads outside the database if told where."""
    newest = AuditSeal.objects.order_by("-id").values_list("id", flat=True).first()
    if services.seal_entries() and settings.AUDIT_HEADS_FILE:
        new = AuditSeal.objects.all() if newest is None else AuditSeal.objects.filter(id__gt=newest)
        _append(settings.AUDIT_HEADS_FILE, services.signed_heads(services.heads(new)))


def _append(path: str, heads: list[dict[str, object]]) -> None:
    """Write signed heads at the end of a file, a line each. What cannot be written holds no sealing up."""
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(head)}\n" for head in heads)
    except OSError as error:
        log.error("audit_heads_not_written", path=path, error=str(error))
