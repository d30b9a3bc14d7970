"""Asking for work to be done after the commit."""

import time
from functools import partial
from math import inf
from typing import Any, Final

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = structlog.get_logger(__name__)

#: After the broker did not answer, so long nothing is sent to it.
PAUSE_SECONDS: Final = 15.0
#: After these ticks have found the work that nobody was woken for.
STALE_SECONDS: Final = 600


def later(task: str, **kwargs: Any) -> None:
    """Wake ``task`` once the current transaction has committed.

    A wake-up call can be lost, so it must never be the only memory of the work: whatever is asked for here, a
    periodic task must also find by itself.
    """
    transaction.on_commit(partial(_send, task, kwargs))


class _Broker:
    """What this process knows of the broker."""

    #: Until this moment (monotonic) nobody asks again: each who does waits for as long as it takes to find out.
    is_away_until: float = -inf


def _send(task: str, kwargs: dict[str, Any]) -> None:
    if time.monotonic() < _Broker.is_away_until:
        log.info("wake_up_not_sent", task=task, error="The broker was away a moment ago.")
        return
    try:
        current_app.send_task(task, kwargs=kwargs, retry=False, expires=STALE_SECONDS)
    except (OperationalError, OSError) as error:
        # The broker is away. The tick finds the work by itself, so the request that asked must not fail.
        _Broker.is_away_until = time.monotonic() + PAUSE_SECONDS
        log.warning("wake_up_not_sent", task=task, error=str(error), pause=PAUSE_SECONDS)
