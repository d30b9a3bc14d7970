"""Hiding our own credentials, and what an installation wants hidden, in any text before it is stored or shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

#: Longest text one of our tokens can have; a reader that works in pieces must keep this much of the piece before.
LONGEST_TOKEN = 64

_TOKEN = re.compile(rb"bv[a-z]_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}")
_MASK = b"*"

MOST_PATTERNS: Final = 20
#: What the asterisk of a pattern stands for at most: bounded, so that time grows with the text and nothing else.
LONGEST_REST: Final = 128
LONGEST_PATTERN: Final = 100
_REST = rb"[^\s\"\\]{0,%d}" % LONGEST_REST
_WORD = re.compile(_REST)
#: At least so much stands in front of an asterisk: it is what is looked for.
_PATTERN = re.compile(r"[!#-)+-\[\]-~ ]{4,}(\*[!#-)+-\[\]-~ ]*)?")
PATTERN_IN_WORDS: Final = (
    f"Each is plain ASCII without double quotes and backslashes, 4 to {LONGEST_PATTERN} characters; after four there "
    f"may be one asterisk, for up to {LONGEST_REST} characters that are no space, quote or backslash: sk-live-*."
)


def mask_tokens(data: bytes) -> bytes:
    """Replace every token of ours in ``data`` by asterisks of the same length; the length never changes."""
    return _TOKEN.sub(lambda match: match.group()[:4] + _MASK * (len(match.group()) - 4), data)


def mask_tokens_in_text(text: str) -> str:
    """Do the same for text; tokens are ASCII, so nothing else can be touched."""
    return mask_tokens(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def is_pattern(text: str) -> bool:
    """Say whether a text is one that ``mask_patterns`` takes."""
    return len(text) <= LONGEST_PATTERN and text == text.strip() and _PATTERN.fullmatch(text) is not None


def mask_patterns(data: bytes, patterns: Iterable[str]) -> bytes:
    """Replace what looks like one of ``patterns`` by asterisks of the same length."""
    for pattern in patterns:
        data = _compiled(pattern).sub(lambda match: _MASK * len(match.group()), data)
    return data


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[bytes]:
    before, asterisk, after = pattern.partition("*")
    rest = _REST + re.escape(after.encode()) if asterisk else b""
    return re.compile(re.escape(before.encode()) + rest)


def longest(patterns: Iterable[str]) -> int:
    """Return how much of a piece before a reader must keep to find whatever is to be masked."""
    return max([LONGEST_TOKEN, *(len(pattern) + ("*" in pattern) * LONGEST_REST for pattern in patterns)])


def mask_rest(before: bytes, data: bytes) -> bytes:
    """Return both pieces, with the rest of a word masked whose beginning was masked at the very end of the first.

    What follows the beginning of a pattern can no longer be told from other text once that is masked.
    """
    if not before.endswith(_MASK):
        return before + data
    match = _WORD.match(data)
    return before + (_MASK * match.end() + data[match.end() :] if match else data)
