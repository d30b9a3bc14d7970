"""Asking for work to be done after the commit."""

from functools import partial
from typing import Any

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = structlog.get_logger(__name__)


def later(task: str, **kwargs: Any) -> None:
    """Wake ``task`` once the current transaction has committed.

    A wake-up call can be lost, so it must never be the only memory of the work: whatever is asked for here, a
    periodic task must also find by itself.
    """
    transaction.on_commit(partial(_send, task, kwargs))


def _send(task: str, kwargs: dict[str, Any]) -> None:
    try:
        current_app.send_task(task, kwargs=kwargs, retry=False)
    except (OperationalError, OSError) as error:
        # The broker is away. The tick finds the work by itself, so the request that asked must not fail.
        log.warning("wake_up_not_sent", task=task, error=str(error))
