"""What is logged, and what of it is kept."""

from __future__ import annotations

from typing import Any, Final

from apps.configuration.rules.kinds import Group, Known, ValueType, integer
from apps.core import masking
from apps.core.logs import LEVELS

_KIB, _GIB = 1024, 1024**3


def _patterns_problem(value: Any) -> str:
    if not isinstance(value, list) or len(value) > masking.MOST_PATTERNS:
        return f"This is a list of at most {masking.MOST_PATTERNS} texts."
    for one in value:
        if not isinstance(one, str) or not masking.is_pattern(one):
            return masking.PATTERN_IN_WORDS
    return ""


LOGGING: Final = Group(
    "logging",
    "Logs",
    "What this installation logs of itself, and what it keeps of what jobs write.",
    (
        Known(
            key="level",
            title="Level",
            says="What web processes and workers log of themselves; they follow within seconds.",
            type=ValueType.STRING,
            environment="LOG_LEVEL",
            choices=LEVELS,
        ),
        integer(
            "job_log_limit",
            "Log of one execution",
            "What comes after it is dropped, and the log is marked so.",
            100 * _KIB**2,
            64 * _KIB,
            10 * _GIB,
            unit="bytes",
            environment="LOG_LIMIT_BYTES",
        ),
        integer(
            "line_limit",
            "Line of a log",
            "What a line holds beyond it is blanked out, or cut where a program sends lines by itself.",
            _KIB**2,
            _KIB,
            16 * _KIB**2,
            unit="bytes",
        ),
        Known(
            key="mask_patterns",
            title="Hidden texts",
            says="One on each line: what looks so in what jobs write is stored as asterisks. "
            + masking.PATTERN_IN_WORDS,
            type=ValueType.JSON,
            default=[],
            check=_patterns_problem,
        ),
    ),
    icon="terminal",
)
