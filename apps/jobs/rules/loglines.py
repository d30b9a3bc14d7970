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


def cut(line: bytes, limit: int) -> bytes:
    """Return a line with its message cut to what ``limit`` bytes allow."""
    if len(line) <= limit:
        return line
    told = parse_line(line)
    # A character takes up to twelve bytes where it is written as escapes.
    for size in (limit, limit // 2, limit // 6, limit // 12, limit // 24):
        shorter = make_line(told.time, told.level, told.message[:size], told.source)
        if len(shorter) <= limit:
            return shorter
    return make_line(told.time, told.level, "", told.source)


def blank(data: bytes, limit: int) -> bytes:
    """Return a piece of a log with blanks for what its lines hold beyond ``limit`` bytes; the length stays.

    The end of a line stays as well, so that it can still be read where only its message was too long.
    """
    if len(data) <= limit:
        return data
    return b"\n".join(_blanked(line, limit) for line in data.split(b"\n"))


def _blanked(line: bytes, limit: int) -> bytes:
    end = len(line) - len(b'"}')
    if end <= limit:
        return line
    escape = line.rfind(b"\\", limit - 6, limit)
    start = limit if escape < 0 else len(line[:escape].rstrip(b"\\"))
    return line[:start] + b" " * (end - start) + line[end:]
