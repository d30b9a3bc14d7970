"""Names that people give to things: one spelling per name, and nothing in it that the eye cannot see."""

from __future__ import annotations

import unicodedata

#: Control, format (zero-width, direction marks), surrogate, private and unassigned characters, line separators.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def clean_name(text: str) -> str:
    """Return ``text`` trimmed and in Unicode's composed form (NFC), so that twins collide.

    Raises ``ValueError``, with a message for the person who typed it, for characters that cannot be seen.
    """
    composed = unicodedata.normalize("NFC", text).strip()
    for letter in composed:
        if unicodedata.category(letter) in _REFUSED_CATEGORIES:
            raise ValueError(f"It holds the invisible or unassigned character U+{ord(letter):04X}.")
    return composed
