"""What programs may keep about the person who uses them."""

from __future__ import annotations

import json
from typing import Any, Final

from apps.core.errors import Invalid

MOST_BYTES: Final = 16 * 1024


def check_preferences(preferences: Any) -> None:
    """Refuse what is no object, or too much. Raises ``Invalid``."""
    if not isinstance(preferences, dict):
        raise Invalid.field("preferences", "this is an object of your own names and values.")
    size = len(json.dumps(preferences).encode())
    if size > MOST_BYTES:
        raise Invalid.field("preferences", f"this has {size} bytes as JSON; at most {MOST_BYTES} are kept.")
