"""Reading a log: a page at a time, from any place, without touching the rest of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.utils import timezone

from apps.core.errors import Invalid
from apps.jobs.models.executions import Execution
from apps.jobs.models.logs import LogChunk, LogStream
from apps.jobs.rules import loglines
from apps.jobs.rules.loglines import Line

#: How much of a stream is looked at for one page (bytes); a longer line is shown in pieces.
WINDOW: Final = 512 * 1024
MOST_LINES: Final = 1000
#: Nobody can have logs go sooner, so that nothing needs to be asked about those.
_KEPT_ANYHOW: Final = timedelta(days=1)
_PLACE = re.compile(r"(\d{1,18})\.(\d{1,18})")


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a log: how far into the robot's stream and into the one of programs (bytes, at line starts)."""

    robot: int = 0
    api: int = 0

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read a cursor. Raises ``Invalid``."""
        match = _PLACE.fullmatch(text)
        if match is None:
            raise Invalid.field("cursor", "use a cursor that a page of this log gave.")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.robot}.{self.api}"


@dataclass(frozen=True, slots=True)
class Page:
    """Some lines of a log, in the order of their times, and from where to go on in either direction."""

    lines: list[Line]
    previous: Place
    next: Place
    #: Whether there is more behind this page already.
    has_next: bool

    @property
    def has_previous(self) -> bool:
        return bool(self.previous.robot or self.previous.api)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line, where it stands, and what it is sorted by."""

    key: str
    stream: LogStream
    start: int
    end: int
    line: Line


def page_after(execution: Execution, place: Place, *, limit: int = MOST_LINES) -> Page:
    """Return up to ``limit`` lines from ``place`` on."""
    robot = _forwards(execution, LogStream.ROBOT, place.robot, limit)
    api = _forwards(execution, LogStream.API, place.api, limit)
    entries = _merged(robot, api)[:limit]
    following = _behind(entries, place)
    ends = Place(execution.log_length, execution.log_api_length)
    return Page([entry.line for entry in entries], place, following, bool(entries) and following != ends)


def page_before(execution: Execution, place: Place, *, limit: int = MOST_LINES) -> Page:
    """Return up to ``limit`` lines that end at ``place``."""
    robot = _backwards(execution, LogStream.ROBOT, min(place.robot, execution.log_length), limit)
    api = _backwards(execution, LogStream.API, min(place.api, execution.log_api_length), limit)
    entries = _merged(robot, api)[-limit:]
    # Nothing before it is kept: there is no way further back.
    ahead = _ahead(entries, place) if entries else Place()
    return Page([entry.line for entry in entries], ahead, place, True)


def last_page(execution: Execution, *, limit: int = MOST_LINES) -> Page:
    """Return the last lines of a log; going on from there gives what is written afterwards."""
    end = Place(execution.log_length, execution.log_api_length)
    before = page_before(execution, end, limit=limit)
    # An unfinished line at the end is not shown yet: going on starts before it.
    following = page_after(execution, before.previous, limit=limit)
    return Page(following.lines, before.previous, following.next, following.has_next)


def first_error_page(execution: Execution, *, limit: int = MOST_LINES) -> Page:
    """Return the lines from the first error of either stream on; the last page where there was none."""
    places = {LogStream.ROBOT: execution.log_first_error, LogStream.API: execution.log_api_first_error}
    found = [
        entry
        for stream, place in places.items()
        if place is not None
        for entry in _forwards(execution, stream, place, 1)
    ]
    if not found:
        return last_page(execution, limit=limit)
    first = min(found, key=lambda entry: entry.key)
    starts = {
        stream: first.start if stream is first.stream else _start_at(execution, stream, first.key)
        for stream in LogStream
    }
    return page_after(execution, Place(starts[LogStream.ROBOT], starts[LogStream.API]), limit=limit)


def as_text(execution: Execution) -> Iterator[str]:
    """Yield the whole log as text, a page at a time, for a download."""
    place = Place()
    while True:
        page = page_after(execution, place)
        yield "".join(line.as_text() for line in page.lines)
        if not page.has_next or page.next == place:
            return
        place = page.next


def is_gone(execution: Execution) -> bool:
    """Say whether it wrote a log of which nothing is kept any more."""
    ended = execution.finished_at
    if ended is None or timezone.now() - ended < _KEPT_ANYHOW or not execution.log_length + execution.log_api_length:
        return False
    return not any(LogChunk.of(execution.pk, stream).exists() for stream in LogStream)


def missing_bytes(execution: Execution) -> int:
    """Return how much of the robot's log has not arrived: by its own announcement at the end."""
    return max(0, (execution.log_final_length or 0) - execution.log_length)


def is_intact(execution: Execution) -> bool | None:
    """Say whether all bytes arrived as the robot sent them; ``None`` while it has announced no end."""
    if execution.log_final_length is None:
        return None
    return execution.log_length == execution.log_final_length and execution.log_crc32 == execution.log_final_crc32


def _length(execution: Execution, stream: LogStream) -> int:
    return execution.log_length if stream is LogStream.ROBOT else execution.log_api_length


def _forwards(execution: Execution, stream: LogStream, start: int, limit: int) -> list[_Entry]:
    """Return up to ``limit`` whole lines of a stream from ``start`` on, as far as one window reaches."""
    if start >= _length(execution, stream):
        return []
    start, data = LogChunk.read_kept(execution.pk, stream, start, WINDOW)
    whole = data.rfind(b"\n") + 1
    # What is left without a line feed is a line still being written, unless nothing more will come or it fills it all.
    if (execution.finished_at is not None and len(data) < WINDOW) or (not whole and len(data) == WINDOW):
        whole = len(data)
    return _entries(stream, start, _lines(data[:whole])[:limit])


def _backwards(execution: Execution, stream: LogStream, end: int, limit: int) -> list[_Entry]:
    """Return up to ``limit`` whole lines of a stream that end at ``end``, as far back as one window reaches."""
    start, data = LogChunk.read_kept(execution.pk, stream, max(0, end - WINDOW), WINDOW) if end else (0, b"")
    data = data[: max(0, end - start)]
    whole = data.find(b"\n") + 1 if start else 0
    lines = _lines(data[whole:])[-limit:]
    return _entries(stream, end - sum(map(len, lines)), lines)


def _entries(stream: LogStream, start: int, lines: list[bytes]) -> list[_Entry]:
    entries, at, key = [], start, ""
    for raw in lines:
        line = loglines.parse_line(raw.rstrip(b"\n"))
        key = max(key, line.time)  # a line without a time, or with an earlier one, stays behind the line before it
        entries.append(_Entry(key, stream, at, at + len(raw), line))
        at += len(raw)
    return entries


def _lines(data: bytes) -> list[bytes]:
    """Split at line feeds only: a carriage return belongs to its line."""
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _merged(robot: list[_Entry], api: list[_Entry]) -> list[_Entry]:
    return sorted([*robot, *api], key=lambda entry: entry.key)


def _behind(entries: list[_Entry], place: Place) -> Place:
    ends = {entry.stream: entry.end for entry in entries}
    return Place(ends.get(LogStream.ROBOT, place.robot), ends.get(LogStream.API, place.api))


def _ahead(entries: list[_Entry], place: Place) -> Place:
    starts = {entry.stream: entry.start for entry in reversed(entries)}
    return Place(starts.get(LogStream.ROBOT, place.robot), starts.get(LogStream.API, place.api))


def _start_at(execution: Execution, stream: LogStream, time: str) -> int:
    """Return where a stream goes on at a time, halving what is left of it: a long one is not read through."""
    start, end = 0, _length(execution, stream)
    while end - start > WINDOW:
        middle = (start + end) // 2
        # Somewhere in a line: what counts is the next one.
        following = _forwards(execution, stream, middle, 2)[1:]
        if following and following[0].line.time < time:
            start = following[0].end
        else:
            end = middle
    entries = _forwards(execution, stream, start, WINDOW)
    return next((entry.start for entry in entries if entry.key >= time), entries[-1].end if entries else start)
