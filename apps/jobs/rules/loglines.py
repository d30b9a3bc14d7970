"""The format of a log: UTF-8 lines of JSON ``{"t": time, "l": level, "m": message, …}``, each with a line feed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
#: A longer message is cut when it is shown; the stored line is not touched.
LONGEST_SHOWN = 64 * 1024

_ERROR = re.compile(rb'"l"\s*:\s*"ERROR"')


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log as people read it."""

    time: str
    level: str
    message: str
    source: str = ""
    fields: dict[str, Any] = field(default_factory=dict)

    def as_text(self) -> str:
        """Return the line as it stands in a downloaded text file."""
        extra = " " + json.dumps(self.fields, ensure_ascii=False) if self.fields else ""
        return f"{self.time} {self.level:<5} {self.message}{extra}\n"


def parse_line(raw: bytes) -> Line:
    """Read one stored line; what is not of the format is shown as it stands, at level INFO."""
    text = raw.decode("utf-8", "replace")
    try:
        facts = json.loads(text)
    except ValueError:
        facts = None
    if not isinstance(facts, dict):
        return Line("", "INFO", text[:LONGEST_SHOWN])
    level = str(facts.get("l", "INFO")).upper()
    fields = facts.get("f")
    return Line(
        str(facts.get("t", ""))[:40],
        level if level in LEVELS else "INFO",
        str(facts.get("m", ""))[:LONGEST_SHOWN],
        str(facts.get("s", ""))[:20],
        fields if isinstance(fields, dict) else {},
    )


def make_line(time: str, level: str, message: str, source: str) -> bytes:
    """Write one line in the stored format."""
    return json.dumps({"t": time, "l": level, "m": message, "s": source}, ensure_ascii=True).encode() + b"\n"


def first_error(data: bytes) -> int | None:
    """Return where in ``data`` the first line of level ERROR begins, if one does."""
    match = _ERROR.search(data)
    return None if match is None else data.rfind(b"\n", 0, match.start()) + 1
