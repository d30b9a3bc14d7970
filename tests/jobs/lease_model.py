"""What must happen to two jobs, in the plainest words: the reference that the real services are held against."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

OPEN = "running"


@dataclass
class Lease:
    """One try: whose it is, where it stands, and what was reported of it."""

    id: UUID
    job: UUID
    robot: UUID
    session: UUID
    wish: UUID
    number: int
    state: str = OPEN
    digest: str = ""
    has_begun: bool = False
    is_overdue: bool = False


@dataclass
class Model:
    """Jobs and leases as they should be. ``after`` says what may become of a job; the rest is one way only."""

    status: dict[UUID, str]
    asked: dict[UUID, set[str]] = field(default_factory=dict)
    leases: dict[UUID, Lease] = field(default_factory=dict)
    credited: dict[UUID, str] = field(default_factory=dict)

    def of_job(self, job: UUID) -> list[Lease]:
        return sorted((one for one in self.leases.values() if one.job == job), key=lambda one: one.number)

    def open_of(self, **facts: Any) -> list[Lease]:
        wanted = [one for one in self.leases.values() if one.state == OPEN]
        return [one for one in wanted if all(getattr(one, name) == value for name, value in facts.items())]

    def grant(self, lease: Lease) -> None:
        assert self.status[lease.job] == "pending"
        assert not [one for one in self.leases.values() if one.wish == lease.wish], "one wish, two leases"
        assert lease.number == len(self.of_job(lease.job)) + 1
        self.leases[lease.id] = lease
        self.status[lease.job], self.asked[lease.job] = OPEN, set()

    def answer_to_wish(self, wish: UUID, session: UUID) -> UUID | None:
        return next((one.id for one in self.open_of(wish=wish, session=session)), None)

    def answer_to_renewal(self, lease: Lease) -> str:
        if lease.id not in self.leases or lease.state != OPEN:
            return "lost"
        asked = self.asked[lease.job]
        return "cancel" if "cancel" in asked else "stop" if "stop" in asked else "continue"

    def answer_to_report(self, lease: Lease, outcome: str, digest: str) -> str:
        if lease.id not in self.leases:
            return "unknown_lease" if lease.job in self.status else "unknown_job"
        if lease.state == OPEN:
            return "accepted"
        if lease.digest:
            return "duplicate" if lease.digest == digest else "conflict"
        is_newest = lease is self.of_job(lease.job)[-1]
        if lease.state == "lost" and outcome == "completed" and is_newest and self.status[lease.job] in IDLE:
            return "accepted"
        return "revoked" if lease.state == "revoked" else "late"

    def close(self, lease: Lease, end: str, now: str, digest: str = "") -> None:
        assert now in self.after(lease.job, end), f"after {end} the job is {now}"
        lease.state = "adopted" if lease.state == "lost" else end
        lease.digest, self.status[lease.job] = digest, now
        if end == "completed":
            self.credited[lease.job] = digest

    def after(self, job: UUID, end: str) -> set[str]:
        asked = self.asked.get(job, set())
        if end == "completed":
            return {"completed"}
        if end == "revoked" or "cancel" in asked:
            return {"cancelled"}
        if "stop" in asked:
            return {"failed"} if end == "failed" else {"cancelled"}
        return {"failed": {"pending", "failed"}, "cancelled": {"failed"}, "released": {"pending"}}.get(end, LOST_TO)


IDLE = ("pending", "waiting")
LOST_TO = {"pending", "waiting", "failed"}
