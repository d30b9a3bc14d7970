"""How often who may call: one table, counted for all processes together in the store that the broker uses too.

Each request is of one kind and asks the store once. Whoever calls is told by the credential: what carries none counts
for its network. Counting is there to keep one caller from starving the others, so a store that is away stops nobody:
calls go on uncounted, and a warning says so. What guards passwords is counted in the database instead.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, ip_network
from typing import Any, Final, TypeVar

import structlog
from django.conf import settings

from apps.core.actors import Actor
from apps.core.edge import addresses
from apps.core.edge.rates import LIMITS, OFF, Rate, read_table
from apps.core.errors import TooOften

log = structlog.get_logger(__name__)

UNCOUNTED: Final = "uncounted"
#: Those that are counted for the network, whatever the call carries.
OF_NETWORKS: Final = frozenset({"stranger", "introduction", "device"})
#: Too many units to keep a moment for each: they are counted in two windows, the older one by its share.
_IN_BULK: Final = frozenset({"log"})
#: What a request waits for the store at most, and for how long nobody asks it again when it did not answer (seconds).
_PATIENCE, _PAUSE = 0.25, 5.0

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Refused:
    """That a limit is reached: which one, and in how many seconds there is room again."""

    kind: str
    limit: str
    retry_after: int

    @property
    def detail(self) -> str:
        """What the caller is told."""
        return f"Too many calls of this kind ({self.kind}): {self.limit} are taken. Wait {self.retry_after} s."


class _Store:
    """What this process knows of the store."""

    #: Until this moment (monotonic) nobody asks it: each who does waits for as long as it takes to find out.
    is_away_until: float = -math.inf


def counted(kind: str) -> Callable[[View], View]:
    """Have a view, or a method of one, counted as a kind of the table instead of as its caller and verb say."""
    assert kind in LIMITS or kind == UNCOUNTED, kind

    def mark(view: View) -> View:
        view.rate_kind = kind  # type: ignore[attr-defined]
        return view

    return mark


def spend(kind: str, actor: Actor) -> None:
    """Count an act of ``actor`` that is dear, such as an export. Raises ``TooOften``; the system is never counted."""
    if actor.is_system:
        return
    refused = hit(kind, f"{actor.kind}:{actor.id}")
    if refused is not None:
        raise TooOften(refused.detail, retry_after=refused.retry_after)


def hit(kind: str, who: str, *, amount: int = 1) -> Refused | None:
    """Count ``amount`` of a kind for somebody; returns the refusal where that would be more than the limit."""
    if not is_on() or kind == UNCOUNTED or time.monotonic() < _Store.is_away_until:
        return None
    rate = rate_of(kind)
    try:
        item = _item(rate)
        strategy = _strategy(settings.RATE_LIMIT_STORE, settings.RATE_LIMIT_PREFIX, is_in_bulk=kind in _IN_BULK)
        if strategy.hit(item, kind, who, cost=min(amount, rate.amount)):
            return None
        room_at = strategy.get_window_stats(item, kind, who).reset_time
    except Exception as error:  # Each store has errors of its own, and none of them is the caller's.
        _Store.is_away_until = time.monotonic() + _PAUSE
        log.warning("calls_not_counted", error=f"{type(error).__name__}: {error}"[:300], pause=_PAUSE)
        return None
    return Refused(kind, rate.text, max(1, math.ceil(room_at - time.time())))


def is_on() -> bool:
    """Say whether anything is counted at all."""
    return bool(settings.RATE_LIMITS != OFF)


def rate_of(kind: str) -> Rate:
    """Return the limit of a kind, as it stands in the table or as the environment has it."""
    return _table(settings.RATE_LIMITS)[kind]


def prepare() -> None:
    """Load what counts, so that no request waits for it."""
    if is_on():
        _strategy(settings.RATE_LIMIT_STORE, settings.RATE_LIMIT_PREFIX, is_in_bulk=False)


def network_of(address: str | None) -> str:
    """Return for whom a call without a credential counts: one IPv4 address, or the /64 that a site has of IPv6."""
    parsed = addresses.parse_address(address or "")
    if parsed is None:
        return "nowhere"
    return str(parsed) if isinstance(parsed, IPv4Address) else str(ip_network((parsed, 64), strict=False))


@cache
def _table(text: str) -> dict[str, Rate]:
    return read_table(text)


@cache
def _strategy(store: str, prefix: str, *, is_in_bulk: bool) -> Any:
    from limits import storage, strategies  # Here: it takes long to load, and not every process counts.

    options: dict[str, Any] = {"socket_timeout": _PATIENCE, "socket_connect_timeout": _PATIENCE, "key_prefix": prefix}
    counting: Any = storage.storage_from_string(store, **({} if store.startswith("memory:") else options))
    if is_in_bulk:
        return strategies.SlidingWindowCounterRateLimiter(counting)
    return strategies.MovingWindowRateLimiter(counting)


@cache
def _item(rate: Rate) -> Any:
    from limits import RateLimitItemPerSecond

    return RateLimitItemPerSecond(rate.amount, rate.seconds)
