"""Values that can be told from the source alone, and put into JSON."""

import ast
import json
from dataclasses import dataclass
from typing import Any

MOST_NODES = 1_000  # of syntax, in one value
MOST_CHARACTERS = 10_000  # of JSON, for one value
GREATEST = 2**53  # beyond, not every reader of JSON keeps a number exact


@dataclass(frozen=True, slots=True)
class Default:
    """What a parameter or field is when it is not given: nothing, something shown, or something that is not shown."""

    exists: bool = False
    is_shown: bool = False
    value: Any = None


NONE_GIVEN = Default()
NOT_SHOWN = Default(exists=True)


def shown_default(value: Any) -> Default:
    """Return a default with this value."""
    return Default(exists=True, is_shown=True, value=value)


def literal(expression: ast.expr) -> Default:
    """Return the value of a literal, or `NOT_SHOWN` where it takes running code to know it."""
    if not is_small(expression, MOST_NODES):
        return NOT_SHOWN
    try:
        value = _plain(ast.literal_eval(expression))
        text = json.dumps(value, allow_nan=False)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, OverflowError):
        return NOT_SHOWN
    return shown_default(value) if len(text) <= MOST_CHARACTERS else NOT_SHOWN


def is_small(node: ast.AST, most: int) -> bool:
    """Whether a piece of syntax has at most so many nodes: only then may it be walked by recursion."""
    return sum(1 for _, _ in zip(ast.walk(node), range(most + 1), strict=False)) <= most


def number(expression: ast.expr) -> int | float | None:
    """Return a number that is written out."""
    value = literal(expression).value
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def text(expression: ast.expr) -> str | None:
    """Return a text that is written out."""
    value = literal(expression).value
    return value if isinstance(value, str) else None


def is_storable(value: str) -> bool:
    """Whether a database takes this text: no NUL, no half of a surrogate pair."""
    return "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value)


def storable(value: str, most: int = 5_000) -> str:
    """Return a text for people with what no database takes replaced, cut off after `most` characters."""
    return "".join(char if is_storable(char) else "\ufffd" for char in value[:most])


def _plain(value: Any) -> Any:
    """Return `value` as JSON has it, or raise `ValueError`."""
    match value:
        case None | bool() | float():
            return value
        case int() if abs(value) <= GREATEST:
            return value
        case str() if is_storable(value):
            return value
        case list() | tuple():
            return [_plain(item) for item in value]
        case dict() if all(isinstance(key, str) and is_storable(key) for key in value):
            return {key: _plain(item) for key, item in value.items()}
    raise ValueError("not JSON")
