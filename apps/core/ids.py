"""The one kind of key: UUIDv7, made in Python because older servers cannot."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from uuid_utils import compat

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def uuid7() -> UUID:
    """Return a new time-ordered id. A function of ours, because migrations import a default's module."""
    return compat.uuid7()


def first_id_at(moment: datetime) -> UUID:
    """Return the smallest UUIDv7 that a row made at ``moment`` could have: the bound of a partition."""
    milliseconds = (moment - _EPOCH) // _MILLISECOND  # Whole numbers: as a float, late moments would be rounded up.
    return UUID(int=milliseconds << 80 | 0x7 << 76 | 0b10 << 62)


def made_at(identity: UUID) -> datetime:
    """Return the moment (UTC, to the millisecond) that a UUIDv7 carries."""
    return _EPOCH + (identity.int >> 80) * _MILLISECOND
