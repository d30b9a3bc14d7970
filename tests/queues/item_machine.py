"""Items, holders, and anything that can happen to them, against the real services and the model beside them.

Each example runs in a savepoint and is taken back at its end.
"""

from __future__ import annotations

import sys
import uuid
from datetime import timedelta
from typing import ClassVar

from django.db import transaction
from django.db.models.functions import Now
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from apps.core.errors import Conflict
from apps.jobs.models.invariants import check_invariants
from apps.queues import services
from apps.queues.models import ItemLease, Queue, QueueItem
from apps.queues.services import Report
from tests import make
from tests.queues.item_model import ENDS, Item, Lease, Model

SOME, FEW = st.integers(0, 3), st.integers(1, 3)
REPORTS = {
    "done": Report("done", result=1),
    "done otherwise": Report("done", result=2),
    "failed": Report("failed", error_type="application", error_code="E1", error_reason="no"),
    "business": Report("failed", error_type="business", error_code="E2", error_reason="no"),
    "abandoned": Report("abandoned", error_reason="no"),
    "released": Report("released"),
}
#: What the end of an execution means for the items it took by itself.
VANISHES = {"lost": True, "failed": True, "completed": False, "cancelled": False}


class ItemMachine(RuleBasedStateMachine):
    """What holders, operators, time and faults do."""

    queue: ClassVar[Queue]

    @initialize()
    def begin(self) -> None:
        self.start_of_example = transaction.savepoint()
        self.model = Model()
        self.held: dict[uuid.UUID, ItemLease] = {}
        self.seen_overdue: list[ItemLease] = []
        self.add(0)

    def teardown(self) -> None:
        if not hasattr(self, "start_of_example"):
            return
        try:
            if sys.exc_info()[0] is None:
                self.bring_to_an_end()
                findings = [one for one in check_invariants() if one.invariant.name in ("I1", "I16")]
                assert [str(one) for one in findings if not one.holds] == []
        finally:
            transaction.savepoint_rollback(self.start_of_example)

    # What holders do.

    @rule(count=FEW, within=st.booleans())
    def take(self, count: int, within: bool) -> None:
        self.takes(count, within=within)

    @rule()
    def vanish_and_let_others_look(self) -> None:
        """From here on no report of the one who vanished may count, although the item waits."""
        for lost in self.takes(1, within=False):
            ItemLease.objects.filter(lease_id=lost.id).update(expires_at=Now() - timedelta(seconds=1))
            assert services.sweep_lease(self.held[lost.id], actor=make.SYSTEM)
            self.model.vanish(lost)
        for lease in self.takes(3, within=False):
            self.reports(lease, REPORTS["released"])

    def takes(self, count: int, *, within: bool) -> list[Lease]:
        execution = uuid.uuid4() if within else None
        holder = make.holder(execution_id=execution)
        expected = self.model.next_in_line(count)
        granted = services.take_items(self.queue, actor=make.SYSTEM, holder=holder, count=count)
        assert [lease.item_id for lease in granted] == expected
        for lease in granted:
            self.model.grant(Lease(lease.lease_id, lease.item_id, execution))
            self.held[lease.lease_id] = lease
        return [self.model.leases[lease.lease_id] for lease in granted]

    @precondition(lambda self: self.held)
    @rule(which=SOME)
    def renew(self, which: int) -> None:
        lease = list(self.model.leases.values())[-1 - which % len(self.held)]
        try:
            services.renew_item(self.held[lease.id], actor=make.SYSTEM, progress={"done": which})
        except services.LeaseOver:
            assert not lease.is_open
            return
        assert lease.is_open
        lease.is_overdue = False

    @precondition(lambda self: self.model.open())
    @rule(which=SOME, how=st.sampled_from(sorted(REPORTS)))
    def finish(self, which: int, how: str) -> None:
        self.reports(self.model.open()[-1 - which % len(self.model.open())], REPORTS[how])

    @precondition(lambda self: self.model.past())
    @rule(which=SOME, how=st.sampled_from(sorted(REPORTS)))
    def report_what_is_past(self, which: int, how: str) -> None:
        self.reports(self.model.past()[-1 - which % len(self.model.past())], REPORTS[how])

    @precondition(lambda self: [lease for lease in self.model.past() if lease.report in REPORTS.values()])
    @rule(which=SOME)
    def report_again(self, which: int) -> None:
        past = [lease for lease in self.model.past() if lease.report in REPORTS.values()]
        lease = past[-1 - which % len(past)]
        assert lease.report is not None
        self.reports(lease, lease.report)

    def reports(self, lease: Lease, report: Report) -> None:
        expected = self.model.answer_to(lease, report)
        settled = services.finish_item(self.held[lease.id], actor=make.SYSTEM, report=report)
        assert settled.answer == expected
        if expected in ("accepted", "adopted"):
            self.follow(lease.item, self.model.settle(lease, report))

    # What time and faults do.

    @precondition(lambda self: [lease for lease in self.model.open() if lease.execution is None])
    @rule(which=SOME)
    def run_out_as_a_sweep_looks(self, which: int) -> None:
        outside = [lease for lease in self.model.open() if lease.execution is None]
        lease = outside[-1 - which % len(outside)]
        ItemLease.objects.filter(lease_id=lease.id).update(expires_at=Now() - timedelta(seconds=1))
        lease.is_overdue = True
        self.seen_overdue = list(ItemLease.objects.overdue().select_related("queue"))

    @precondition(lambda self: self.seen_overdue)
    @rule()
    def sweep_what_it_saw(self) -> None:
        for seen in self.seen_overdue:
            lease = self.model.leases[seen.lease_id]
            is_due = lease.is_open and lease.is_overdue
            assert services.sweep_lease(seen, actor=make.SYSTEM) is is_due
            if is_due:
                self.model.vanish(lease)
        self.seen_overdue = []

    @precondition(lambda self: [lease for lease in self.model.open() if lease.execution is not None])
    @rule(which=SOME, end=st.sampled_from(sorted(VANISHES)))
    def end_an_execution(self, which: int, end: str) -> None:
        within = [lease for lease in self.model.open() if lease.execution is not None]
        execution = within[-1 - which % len(within)].execution
        assert execution is not None
        concerned = [lease for lease in within if lease.execution == execution]
        settled = services.settle_execution(execution, actor=make.SYSTEM, end=end)
        assert {item.pk for item in settled} == {lease.item for lease in concerned}
        for lease in concerned:
            if VANISHES[end]:
                self.model.vanish(lease)
            else:
                self.model.settle(lease, REPORTS["released"])

    # What operators and callers do.

    @precondition(lambda self: len(self.model.items) < 6)
    @rule(priority=st.integers(-1, 1))
    def add(self, priority: int) -> None:
        item = make.item(self.queue, priority=priority)
        self.model.items[item.pk] = Item(item.pk, priority)

    @rule(which=SOME)
    def requeue(self, which: int) -> None:
        item = list(self.model.items.values())[-1 - which % len(self.model.items)]
        has_successor = any(other.retry_of == item.id for other in self.model.items.values())
        may = item.status in ("failed", "abandoned") and not has_successor
        try:
            services.requeue_item(QueueItem.objects.get(pk=item.id), actor=make.SYSTEM)
        except Conflict:
            assert not may
            return
        assert may
        self.follow(item.id, 1)

    # What must hold after each of these.

    @invariant()
    def rows_are_as_they_should_be(self) -> None:
        if not hasattr(self, "model"):
            return
        columns = ("pk", "status", "attempt", "crashes", "retry_of", "error_type", "error_code")
        rows = {row[0]: row[1:] for row in QueueItem.objects.filter(queue=self.queue).values_list(*columns)}
        assert rows == {
            item.id: (item.status, item.attempt, item.crashes, item.retry_of, *item.error)
            for item in self.model.items.values()
        }
        leases = ItemLease.objects.filter(queue=self.queue)
        assert dict(leases.values_list("lease_id", "outcome")) == {
            lease.id: lease.outcome for lease in self.model.leases.values()
        }
        open_of = list(leases.filter(closed_at=None).values_list("item", flat=True))
        assert sorted(open_of) == sorted(item.id for item in self.model.items.values() if item.status == "in_progress")

    # How.

    def follow(self, item: uuid.UUID, attempt: int | None) -> None:
        """Note the try that must have come of another; that none came where none must, the comparison of rows says."""
        if attempt is None:
            return
        [(successor, number)] = QueueItem.objects.filter(retry_of=item).values_list("pk", "attempt") or [(None, 0)]
        assert number == attempt
        self.model.items[successor] = Item(successor, self.model.items[item].priority, attempt, retry_of=item)

    def bring_to_an_end(self) -> None:
        """A good end can be reached from everywhere, and no lineage is done twice."""
        while self.model.open() or self.model.next_in_line(1):
            self.takes(3, within=False)
            for lease in self.model.open():
                self.reports(lease, REPORTS["done"])
        rows = list(QueueItem.objects.filter(queue=self.queue).values_list("lineage", "status"))
        assert {status for _, status in rows} <= set(ENDS)
        done = [lineage for lineage, status in rows if status == "done"]
        assert len(done) == len(set(done))
