"""Pure rules about processes."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any


def backoff_seconds(failures: int, *, base: int, cap: int, jitter: bool) -> float:
    """Return how long to wait before the next try after ``failures`` tries: ``base·2ⁿ``, at most ``cap``, spread."""
    longest = min(float(cap), base * 2.0 ** min(max(failures - 1, 0), 40))
    return random.uniform(0, longest) if jitter else longest


def limit_value(parameters: Mapping[str, Any], name: str) -> str:
    """Return the text by which jobs are counted together under a limit per value; empty without one."""
    if not name or name not in parameters:
        return ""
    value = parameters[name]
    return (value if isinstance(value, str) else repr(value))[:200]
