"""What waits at the broker. None of it is more than a wake-up: the work itself stands in the rows."""

from __future__ import annotations

from typing import Any, Final

from celery import current_app
from django.conf import settings
from kombu.exceptions import ChannelError
from kombu.exceptions import OperationalError as BrokerError

#: Seconds a broker may take to take the call.
PATIENCE: Final = 1
#: What the library raises for a broker that does not answer; the last is for an address of an unknown kind.
AWAY: Final = (BrokerError, OSError, LookupError)


def require_answer(patience: float = PATIENCE) -> None:
    """Ask the broker whether it is there; raises one of ``AWAY``."""
    with current_app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, timeout=patience)


def waiting_tasks() -> dict[str, int]:
    """Return how many tasks wait in each queue, for a worker to take them; raises one of ``AWAY``."""
    with current_app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, timeout=PATIENCE)
        channel = broker.default_channel
        return {queue: _waiting_in(queue, channel) for queue in settings.QUEUES}


def _waiting_in(queue: str, channel: Any) -> int:
    try:
        return int(channel.queue_declare(queue, passive=True).message_count)
    except ChannelError:  # It does not exist as long as it is empty.
        return 0
