"""Facts of a firing in the parameters of its jobs.

A text that is nothing but ``{{ name }}`` stands for that fact, with its type. There is no more to it: text around it,
expressions and other names mean nothing and are refused when a trigger is saved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

FACTS = ("due_at", "trigger", "item_ids")
"""The moment it was due (text, ISO 8601, UTC), the name of the trigger, and the ids of the items its job owns."""

_PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def fill(value: Any, facts: Mapping[str, Any]) -> Any:
    """Return a JSON value in which each text that names a fact is that fact."""
    match value:
        case str():
            place = _PLACE.fullmatch(value.strip())
            return facts[place[1]] if place and place[1] in facts else value
        case list():
            return [fill(one, facts) for one in value]
        case dict():
            return {name: fill(one, facts) for name, one in value.items()}
        case _:
            return value


def mistakes(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield where and why texts look as if they named a fact, and do not."""
    match value:
        case str():
            yield from ((path, message) for message in _mistakes_in(value))
        case list():
            for index, one in enumerate(value):
                yield from mistakes(one, f"{path}[{index}]")
        case dict():
            for name, one in value.items():
                yield from mistakes(one, f"{path}.{name}")
        case _:
            return


def _mistakes_in(text: str) -> Iterator[str]:
    known = ", ".join(f"{{{{ {name} }}}}" for name in FACTS)
    for place in _PLACE.finditer(text):
        if place[1] not in FACTS:
            yield f"“{place[0]}” is not known; there are {known}."
        elif place[0] != text.strip():
            yield f"“{place[0]}” must be the whole text: nothing is put together here."
