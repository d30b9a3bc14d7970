"""The spans of time that partitions hold, and what they are called."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Self

from apps.core import ids

#: How many periods beyond the present one have their partition made in advance.
AHEAD = 2


class Period(StrEnum):
    """How much time one partition holds; in UTC."""

    DAY = "day"
    MONTH = "month"

    def start_of(self, day: date) -> date:
        """Return the first day of the period that ``day`` is in."""
        return day if self is Period.DAY else day.replace(day=1)

    def after(self, start: date) -> date:
        """Return the first day of the period after the one that starts on ``start``."""
        return start + timedelta(days=1) if self is Period.DAY else (start + timedelta(days=31)).replace(day=1)


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """One partition of a table: the rows whose ids were made from ``start`` until before ``end``."""

    start: date
    end: date
    name: str

    @classmethod
    def holding(cls, table: str, period: Period, day: date) -> Self:
        """Return the partition of ``table`` that holds ``day``."""
        start = period.start_of(day)
        suffix = f"{start:%Y%m%d}" if period is Period.DAY else f"{start:%Y%m}"
        return cls(start, period.after(start), f"{table}_p{suffix}")

    @classmethod
    def upcoming(cls, table: str, period: Period, moment: datetime, *, ahead: int) -> list[Self]:
        """Return the partition that holds ``moment`` and the ``ahead`` that follow it."""
        partitions = [cls.holding(table, period, moment.astimezone(UTC).date())]
        for _ in range(ahead):
            partitions.append(cls.holding(table, period, partitions[-1].end))
        return partitions

    @property
    def bounds(self) -> str:
        """The lowest id inside and the lowest id beyond, as SQL."""
        return f"FROM ('{first_id_of(self.start)}') TO ('{first_id_of(self.end)}')"


def default_of(table: str) -> str:
    """Return the name of the partition that takes the rows no other partition takes."""
    return f"{table}_default"


def first_id_of(day: date) -> str:
    """Return the lowest id a row made on ``day`` can have."""
    return str(ids.first_id_at(datetime(day.year, day.month, day.day, tzinfo=UTC)))
