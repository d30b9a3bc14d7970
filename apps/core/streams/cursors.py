"""Where a reader stands in a stream, also across a restored database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from apps.core.errors import Conflict, Invalid

_TEXT = re.compile(r"(\d{1,9})\.(\d{1,19})\.(\d{1,19})", re.ASCII)
_HIGHEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Epoch:
    """Which life of the database this is.

    ``number`` rises each time a restore has taken the database back. ``since`` is a transaction id from before the
    moment it was taken back to: from there on, places that readers hold from an earlier life mean nothing.
    """

    number: int = 1
    since: int = 0


class CursorAhead(Conflict):
    """The cursor comes from a life of the database that this one does not know of yet."""

    code = "cursor_ahead"


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A place in a stream: everything up to and with (xid, seq) has been read. ``str()`` gives its text."""

    epoch: int = 1
    xid: int = 0
    seq: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the cursor that ``text`` stands for. Raises ``Invalid``."""
        match = _TEXT.fullmatch(text)
        numbers = [int(part) for part in match.groups()] if match else []
        if not numbers or max(numbers) > _HIGHEST:
            raise Invalid.field("cursor", "this is not a cursor. Send one back as you got it, or none.")
        return cls(*numbers)

    def at(self, xid: int, seq: int) -> Self:
        """Return another place in the same epoch."""
        return type(self)(self.epoch, xid, seq)

    def within(self, epoch: Epoch) -> Self:
        """Return the place at which to go on in ``epoch``: this one, or where the restored database parted from it.

        After a restore transaction ids are given out a second time, so a reader steps back to an id from before. It
        may see again what it has seen; it misses nothing. Raises ``CursorAhead``.
        """
        if self.epoch > epoch.number:
            raise CursorAhead("The database has been taken back to before this cursor. Try again shortly.")
        if self.epoch == epoch.number:
            return self
        return min(type(self)(epoch.number, self.xid, self.seq), type(self)(epoch.number, epoch.since, 0))

    def __str__(self) -> str:
        return f"{self.epoch}.{self.xid}.{self.seq}"
