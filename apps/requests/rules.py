"""What an idempotency key may be, whose it is, and which answers are kept under it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from apps.core.actors import Actor

KEPT_FOR: Final = timedelta(hours=24)
#: Seconds after which to ask again while the first request is still being answered.
IN_FLIGHT_RETRY: Final = 1

_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")
#: About the caller or about now rather than about the request: the next try may well end otherwise.
_NOT_KEPT: Final = frozenset({401, 403, 408, 425, 429})


def is_key(text: str) -> bool:
    """Say whether ``text`` is 1 to 255 printable ASCII characters."""
    return _KEY.fullmatch(text) is not None


def principal_of(actor: Actor) -> str:
    """Return whose key it is: the same key of another caller, or for another tenant, is another key."""
    tenant = f":{actor.tenant_id}" if actor.tenant_id else ""
    return f"{actor.kind}:{actor.id}{tenant}"


def is_kept(status_code: int) -> bool:
    """Say whether an answer is final, so that asking again must give it again."""
    return 200 <= status_code < 500 and status_code not in _NOT_KEPT
