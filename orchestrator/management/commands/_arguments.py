"""Arguments that several commands take, each refused with what would be right."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError

from django.conf import settings

LAST_PORT = 65_535


def port(text: str) -> int:
    """Read the number of a port."""
    return _number(text, least=1, most=LAST_PORT)


def port_with_next(text: str) -> int:
    """Read the number of a port that has a next one."""
    return _number(text, least=1, most=LAST_PORT - 1)


def how_many(text: str) -> int:
    """Read how many there shall be: none is fine."""
    return _number(text, least=0, most=1000)


def at_least_one(text: str) -> int:
    """Read how many there shall be: none makes no sense."""
    return _number(text, least=1, most=1000)


def whole_number(text: str) -> int:
    """Read any number that can be reckoned with; which of them make sense, the service says."""
    return _number(text, least=-999_999, most=999_999)


def queues(text: str) -> tuple[str, ...]:
    """Read which queues a worker is to work for, with commas between them."""
    names = dict.fromkeys(part.strip() for part in text.split(",") if part.strip())
    if unknown := [name for name in names if name not in settings.QUEUES]:
        raise ArgumentTypeError(f"{unknown[0]!r} is no queue; there are {', '.join(settings.QUEUES)}")
    if not names:
        raise ArgumentTypeError(f"no queue is named; there are {', '.join(settings.QUEUES)}")
    return tuple(names)


def _number(text: str, *, least: int, most: int) -> int:
    if not (re.fullmatch(r"-?[0-9]{1,9}", text) and least <= int(text) <= most):
        raise ArgumentTypeError(f"{text!r} is not a number from {least} to {most}")
    return int(text)
