"""Reading JSON that strangers send: everything odd is refused by name, before it can do harm.

The standard library's parser with hooks, because faster ones drop duplicate keys without a word.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final

from apps.core.errors import Invalid, TooLarge

KIBIBYTE: Final = 1024
#: Bytes in a body where a view says nothing else.
BODY_LIMIT: Final = 1024 * KIBIBYTE
#: Containers inside one another.
DEPTH_LIMIT: Final = 32
#: Values in a document, containers counted.
NODE_LIMIT: Final = 10_000
#: Bytes (UTF-8) in one string value, and in one key.
STRING_LIMIT: Final = 256 * KIBIBYTE
KEY_LIMIT: Final = 256
#: Beyond this a double, and so every JavaScript client, cannot tell two integers apart.
INTEGER_LIMIT: Final = 2**53
_INTEGER_DIGITS: Final = 16
_NUMBER_LENGTH: Final = 128

# Possessive, so that a body of nothing but quotes and backslashes is still read in one pass. The closing quote is
# optional: an unfinished string reaches to the end, and the parser says so afterwards.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_SPACE = b" \t\r\n"
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def parse_json_bytes(
    data: bytes,
    *,
    limit: int = BODY_LIMIT,
    node_limit: int = NODE_LIMIT,
    string_limit: int = STRING_LIMIT,
) -> Any:
    """Return what ``data`` says; nothing but white space means ``{}``.

    ``limit`` and ``string_limit`` are in bytes. Raises ``TooLarge`` for a long body and ``Invalid``, with the place,
    for anything that is not clean JSON or that no database or client could keep as it is.
    """
    if len(data) > limit:
        raise TooLarge(f"The body is larger than {limit} bytes.", limit=limit)
    text = _decode(data)
    if not text.strip(" \t\r\n"):
        return {}
    _check_shape(data, node_limit)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _refusal(f"{error.msg} (line {error.lineno}, column {error.colno})", "malformed") from error
    _check_texts(value, string_limit)
    return value


def parse_json_object(data: bytes, *, limit: int = BODY_LIMIT, node_limit: int = NODE_LIMIT) -> dict[str, Any]:
    """Return what ``data`` says where only an object makes sense. Raises as ``parse_json_bytes`` does."""
    return require_object(parse_json_bytes(data, limit=limit, node_limit=node_limit))


def require_object(value: Any) -> dict[str, Any]:
    """Return ``value`` if it is a JSON object; raises ``Invalid``."""
    if not isinstance(value, dict):
        raise _refusal(f"an object is expected, this is {_KINDS[type(value)]}", "not_an_object")
    return value


def shown(text: str) -> str:
    """Return a stranger's text so that it can stand in a message: short, and without anything unprintable."""
    clipped = text if len(text) <= 64 else f"{text[:64]}…"
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in clipped)


def check_text(text: str, *, limit: int = STRING_LIMIT) -> str:
    """Say what is wrong with a text that a database cannot keep, or nothing. ``limit`` is in bytes."""
    if "\x00" in text:
        return "holds a NUL character, which cannot be stored"
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "holds half a surrogate pair, which is not a character"
    return f"is longer than {limit} bytes" if size > limit else ""


_KINDS = {
    list: "a list",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


def _refusal(message: str, code: str) -> Invalid:
    return Invalid(f"The body is not acceptable JSON: {message}.", code=code)


def _decode(data: bytes) -> str:
    if data.startswith(_BYTE_ORDER_MARKS):
        raise _refusal("it begins with a byte order mark; send plain UTF-8", "byte_order_mark")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise _refusal(f"byte {error.start} is not UTF-8", "bad_encoding") from error


def _check_shape(data: bytes, node_limit: int) -> None:
    """Refuse deep and crowded documents before the recursive parser sees them.

    Up to its first mistake the parser sees the same brackets as we do, so it never recurses deeper than found here.
    """
    bare = _STRING.sub(b"s", data).translate(None, _SPACE)
    containers = bare.count(b"[") + bare.count(b"{")
    empty = bare.count(b"[]") + bare.count(b"{}")
    if 1 + bare.count(b",") + containers - empty > node_limit:
        raise _refusal(f"it has more than {node_limit} values", "too_many_values")
    depth = 0
    for bracket in re.finditer(rb"[\[{\]}]", bare):
        depth += 1 if bracket.group() in b"[{" else -1
        if depth > DEPTH_LIMIT:
            raise _refusal(f"it is nested deeper than {DEPTH_LIMIT} levels", "too_deep")
        if depth <= 0:
            return  # One document ends here; the parser refuses whatever follows it.


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _refusal(f"the key “{shown(twice)}” occurs twice in one object", "duplicate_key")
    return found


def _integer(text: str) -> int:
    # Counted before it is converted: converting takes time that grows with the square of the digits.
    if len(text.lstrip("-")) > _INTEGER_DIGITS or abs(number := int(text)) > INTEGER_LIMIT:
        raise _refusal(f"{shown(text)} is beyond ±2⁵³; send large integers as strings", "number_out_of_range")
    return number


def _fraction(text: str) -> float:
    if len(text) > _NUMBER_LENGTH or math.isinf(number := float(text)):
        raise _refusal(f"{shown(text)} is out of range or too long", "number_out_of_range")
    return number


def _constant(text: str) -> Any:
    raise _refusal(f"{text} is not JSON", "malformed")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_fraction, parse_constant=_constant
)


def _check_texts(value: Any, string_limit: int) -> None:
    for path, text, limit in _texts(value, (), string_limit):
        if problem := check_text(text, limit=limit):
            place = ".".join(shown(str(part)) for part in path) or "the document"
            raise Invalid.field(place, f"{problem}.", code="unacceptable_text")


def _texts(value: Any, path: tuple[Any, ...], string_limit: int) -> Iterator[tuple[tuple[Any, ...], str, int]]:
    """Yield every string in ``value`` with its place and its limit, keys too."""
    if isinstance(value, str):
        yield path, value, string_limit
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index), string_limit)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key), key, KEY_LIMIT
            yield from _texts(item, (*path, key), string_limit)
