"""The numbers of rate limits, as settings read them: without the library that counts, which takes long to load."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

#: What is counted, and how much of it in any stretch of that length. `RATE_LIMITS` gives other numbers.
LIMITS: Final[dict[str, str]] = {
    # Of each key, each other token of people, and each person at the admin: 10/s and 5/s, with bursts.
    "read": "50 per 5 seconds",
    "write": "25 per 5 seconds",
    # Of each key, robot or job: adding items and working on them.
    "items": "250 per 5 seconds",
    # Of each robot or job, each kind of call by itself: what polls (2/s), and what works.
    "poll": "10 per 5 seconds",
    "work": "250 per 5 seconds",
    # Of each robot or job, in KiB: 256 a second.
    "log": "4096 per 16 seconds",
    # Of each network: calls without a credential and those with a wrong one; machines and robots that introduce
    # themselves by a key in the body; devices that wait to be let in.
    "stranger": "30 per minute",
    "introduction": "600 per minute",
    "device": "300 per minute",
    # Of each person or account, asked for by name (``limits.spend``).
    "export": "5 per hour",
    "reveal": "30 per hour",
    "test": "5 per minute",
    "upload": "10 per hour",
}
OFF: Final = "off"
_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_WRITTEN = re.compile(r"(\d{1,9}) per (?:(\d{1,6}) )?(second|minute|hour|day)s?")


@dataclass(frozen=True, slots=True)
class Rate:
    """So much in any stretch of so many seconds."""

    amount: int
    seconds: int
    text: str


def read_table(text: str) -> dict[str, Rate]:
    """Return the table with the numbers of a setting such as ``read=100 per 5 seconds,export=20 per hour``.

    Raises ``ValueError``, which says what is wrong with it.
    """
    given = dict(LIMITS)
    for part in filter(None, (part.strip() for part in text.split(","))) if text != OFF else ():
        kind, is_one, limit = part.partition("=")
        if not is_one or kind.strip() not in LIMITS:
            raise ValueError(f"{part!r} is not one of {', '.join(LIMITS)} with a limit behind a “=”")
        given[kind.strip()] = limit.strip()
    return {kind: read_rate(limit) for kind, limit in given.items()}


def read_rate(text: str) -> Rate:
    """Return a rate from its words. Raises ``ValueError``."""
    found = _WRITTEN.fullmatch(text)
    amount, length, unit = found.groups() if found else ("0", None, "second")
    if not int(amount) or length == "0":
        raise ValueError(f"{text!r} is no rate; write “10 per minute” or “50 per 5 seconds”")
    return Rate(int(amount), int(length or 1) * _SECONDS[unit], text)


def store_beside(broker: str) -> str:
    """Return where calls are counted if nothing else is said: in the broker's store where that can count.

    Elsewhere each process counts for itself, so that a limit holds for each of them.
    """
    parts = urlsplit(broker)
    if parts.scheme == "redis+socket":
        return f"redis+unix://{parts.path}"
    return broker if parts.scheme in ("redis", "rediss", "valkey", "valkeys") else "memory://"
