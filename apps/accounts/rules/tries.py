"""How often somebody may try to sign in, and whom a typed name belongs to."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Final

from apps.core.edge.addresses import parse_address

#: Failures of strangers within an hour after which an account, or a network, takes no more of them.
MOST_PER_ACCOUNT: Final = 20
MOST_PER_NETWORK: Final = 100
HOUR: Final = timedelta(hours=1)
#: Failures are remembered so long, and a network from which somebody signed in.
FAILURES_COUNT_FOR: Final = timedelta(days=1)
PLACES_KNOWN_FOR: Final = timedelta(days=90)
#: The delay doubles with each further failure, so many times.
_MOST_DOUBLINGS: Final = 4
#: Who is in the middle of a try holds a place of the bound; whoever then finds none free asks again this soon.
TRY_TAKES: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many failures are free, and how long one then waits at first."""

    most_failures: int
    lockout: timedelta


@dataclass(frozen=True, slots=True)
class Tries:
    """What was tried before: for this account from this network, and by strangers for it, and from there."""

    failures: int = 0
    last_at: datetime | None = None
    under_way: int = 0
    is_known_place: bool = False
    strangers_at_account: int = 0
    strangers_in_network: int = 0

    def wait(self, bounds: Bounds, now: datetime) -> timedelta:
        """Return how long the next try has to wait; nothing if it may be made.

        Who has signed in from a network before is no stranger there: others can neither use up what the account
        takes in all, nor what the network does, to keep them out.
        """
        own = self._own_wait(bounds, now)
        if self.is_known_place or own > timedelta(0):
            return own
        is_full = self.strangers_at_account >= MOST_PER_ACCOUNT or self.strangers_in_network >= MOST_PER_NETWORK
        return bounds.lockout if is_full else timedelta(0)

    def is_only_busy(self, bounds: Bounds) -> bool:
        """Say whether the wait is for tries that are being looked at just now, and may turn out right."""
        return self.failures - self.under_way < bounds.most_failures and self.under_way > 0

    def _own_wait(self, bounds: Bounds, now: datetime) -> timedelta:
        beyond = self.failures - bounds.most_failures
        if beyond < 0 or self.last_at is None:
            return timedelta(0)
        delay: timedelta = bounds.lockout * 2 ** min(beyond, _MOST_DOUBLINGS)
        return max(timedelta(0), self.last_at + delay - now)


def network_of(address: str | None) -> str:
    """Return the network that an address counts for: a /24 or, as one household has that many, a /64."""
    found = parse_address(address or "")
    if found is None:
        return ""
    return str(ip_network(f"{found}/{24 if found.version == 4 else 64}", strict=False))


def keyed(name: str, *, key: str) -> str:
    """Return what stands for a typed name, which may be a password in the wrong field."""
    return hmac.new(key.encode(), name.strip().lower().encode(), hashlib.sha256).hexdigest()
