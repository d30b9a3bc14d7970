"""What must happen to items, in the plainest words: the reference that the real services are held against."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from apps.queues.services import Report

MAX_ATTEMPTS, MOST_CRASHES = 2, 3
#: Outcomes after which nothing more is heard of a try.
ENDS = ("done", "failed", "abandoned")


@dataclass
class Item:
    """One try at a piece of work."""

    id: UUID
    priority: int
    attempt: int = 1
    status: str = "new"
    crashes: int = 0
    error: tuple[str, str] = ("", "")
    retry_of: UUID | None = None


@dataclass
class Lease:
    """One holder's right to an item, and what was reported under it."""

    id: UUID
    item: UUID
    execution: UUID | None
    outcome: str = ""
    report: Report | None = None
    is_overdue: bool = False

    @property
    def is_open(self) -> bool:
        return not self.outcome


@dataclass
class Model:
    """Items and leases as they should be, each in the order in which they came about."""

    items: dict[UUID, Item] = field(default_factory=dict)
    leases: dict[UUID, Lease] = field(default_factory=dict)

    def next_in_line(self, count: int) -> list[UUID]:
        waiting = [item for item in self.items.values() if item.status == "new"]
        return [item.id for item in sorted(waiting, key=lambda item: (-item.priority, item.id))[:count]]

    def grant(self, lease: Lease) -> None:
        assert self.items[lease.item].status == "new"
        assert lease.id not in self.leases
        self.leases[lease.id] = lease
        self.items[lease.item].status = "in_progress"

    def open(self) -> list[Lease]:
        return [lease for lease in self.leases.values() if lease.is_open]

    def past(self) -> list[Lease]:
        return [lease for lease in self.leases.values() if not lease.is_open]

    def answer_to(self, lease: Lease, report: Report) -> str:
        if lease.is_open:
            return "accepted"
        if lease.report is not None:
            return "repeated" if lease.report == report else "conflict"
        newest = [other for other in self.leases.values() if other.item == lease.item][-1]
        is_free = self.items[lease.item].status == "new" and newest is lease
        return "adopted" if report.outcome == "done" and is_free else "late"

    def settle(self, lease: Lease, report: Report) -> int | None:
        """Close a lease and return the attempt that follows, if any."""
        item = self.items[lease.item]
        lease.outcome, lease.report = report.outcome, report
        if report.outcome in ENDS:
            item.status, item.error = report.outcome, (report.error_type, report.error_code)
        else:
            item.status = "new"
        is_last = report.error_type == "business" or item.attempt >= MAX_ATTEMPTS
        return None if report.outcome != "failed" or is_last else item.attempt + 1

    def vanish(self, lease: Lease) -> None:
        """Close a lease whose holder says nothing any more."""
        item = self.items[lease.item]
        lease.outcome, lease.report, item.crashes = "expired", None, item.crashes + 1
        is_poison = item.crashes >= MOST_CRASHES
        item.status = "failed" if is_poison else "new"
        item.error = ("system", "poison") if is_poison else item.error
