from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from apps.core.errors import Invalid
from apps.queues import services
from apps.queues.models import ItemLease, ItemStatus, QueueItem
from apps.queues.services import Answer, Report
from tests import make
from tests.make import SYSTEM

pytestmark = pytest.mark.django_db

DONE = Report("done", result={"paid": True})
FAILED = Report("failed", error_type="application", error_reason="The page did not open.")
BUSINESS = Report("failed", error_type="business", error_code="E7", error_reason="The invoice has no number.")


def take(queue, count=1, **facts):
    return services.take_items(queue, actor=SYSTEM, holder=make.holder(**facts), count=count)


def finish(lease, report=DONE):
    return services.finish_item(lease, actor=SYSTEM, report=report)


def run_out(lease):
    ItemLease.objects.filter(pk=lease.pk).update(expires_at=Now() - timedelta(seconds=1))


def sweep(lease):
    run_out(lease)
    return services.sweep_lease(lease, actor=SYSTEM)


class TestTaking:
    def test_the_best_goes_first_by_priority_then_deadline_then_age(self):
        queue = make.queue()
        soon, late = timezone.now() + timedelta(hours=1), timezone.now() + timedelta(days=1)
        oldest = make.item(queue, reference="oldest")
        wanted = [("due late", 0, late), ("due soon", 0, soon), ("first of all", 5, None), ("last", -1, soon)]
        for reference, priority, deadline in wanted:
            make.item(queue, reference=reference, priority=priority, deadline=deadline)

        leases = take(queue, 10)

        order = [lease.item.reference for lease in leases]
        assert order == ["first of all", "due soon", "due late", oldest.reference, "last"]

    def test_what_is_handed_out_is_nobody_elses(self):
        queue = make.queue()
        make.items(queue, 1, 2, 3)

        first, second, third = take(queue, 2), take(queue, 2), take(queue, 2)

        payloads = [lease.item.payload for lease in [*first, *second, *third]]
        assert payloads == [1, 2, 3]
        assert len({lease.lease_id for lease in [*first, *second]}) == 3

    def test_a_lease_lasts_as_long_as_its_queue_says(self):
        lease = make.taken(make.item(make.queue(lease_seconds=120)).queue)

        assert lease.expires_at - lease.granted_at == timedelta(seconds=120)
        assert lease.item.status == ItemStatus.IN_PROGRESS

    def test_within_an_execution_a_lease_has_no_end_of_its_own(self):
        queue = make.item().queue

        [lease] = take(queue, execution_id=uuid.uuid4(), job_id=uuid.uuid4())

        assert lease.expires_at is None
        assert lease.item.job_id is not None

    def test_what_is_postponed_reserved_or_deleted_is_not_handed_out(self):
        queue = make.queue()
        make.item(queue, available_at=timezone.now() + timedelta(hours=1))
        QueueItem.objects.filter(pk=make.item(queue).pk).update(reserved_for=uuid.uuid4())
        services.delete_item(make.item(queue), actor=SYSTEM)

        assert take(queue) == []

    def test_a_paused_queue_says_why_it_hands_out_nothing(self):
        queue = make.item().queue
        services.pause_queue(queue, actor=SYSTEM, reason="the bank is closed")

        with pytest.raises(services.QueuePaused) as refused:
            take(queue)

        assert refused.value.extra == {"reason": "the bank is closed"}
        services.resume_queue(queue, actor=SYSTEM)
        assert len(take(queue)) == 1

    @pytest.mark.parametrize("count", [0, 101])
    def test_a_number_out_of_bounds_is_refused(self, count):
        with pytest.raises(Invalid, match="between 1 and 100"):
            take(make.queue(), count)


class TestFinishing:
    def test_a_success_is_kept_with_its_result(self):
        lease = make.taken()

        settled = finish(lease)

        assert settled.answer is Answer.ACCEPTED
        assert (settled.item.status, settled.item.result) == (ItemStatus.DONE, {"paid": True})
        assert settled.item.finished_at is not None

    def test_the_same_report_again_gets_the_same_answer_and_another_is_kept_aside(self):
        lease = make.taken(make.item(make.queue(max_attempts=2)).queue)
        first = finish(lease, FAILED)

        again, other = finish(lease, FAILED), finish(lease, DONE)

        assert again.answer is Answer.REPEATED
        assert again.successor == first.successor
        assert other.answer is Answer.CONFLICT
        lease.refresh_from_db()
        assert lease.late_report["outcome"] == "done"

    def test_an_application_error_makes_another_try_that_keeps_what_the_first_was(self):
        queue = make.queue(max_attempts=2, backoff_base=60, backoff_jitter=False, unique_references="always")
        first = make.item(queue, reference="A-1", payload={"n": 1}, priority=7, tags=["eu"])

        settled = finish(make.taken(queue), FAILED)

        again = settled.successor
        assert (again.reference, again.payload, again.priority, again.tags) == ("A-1", {"n": 1}, 7, ["eu"])
        assert (again.attempt, again.retry_of, again.lineage) == (2, first, first.pk)
        assert again.status == ItemStatus.NEW
        assert 55 < (again.available_at - timezone.now()).total_seconds() <= 60
        settled.item.refresh_from_db()
        assert (settled.item.status, settled.item.error_type) == (ItemStatus.FAILED, "application")

    def test_the_last_attempt_makes_no_other(self):
        assert finish(make.taken(), FAILED).successor is None

    def test_a_business_error_is_never_tried_again(self):
        settled = finish(make.taken(make.item(make.queue(max_attempts=5)).queue), BUSINESS)

        assert settled.successor is None
        assert (settled.item.error_type, settled.item.error_code) == ("business", "E7")

    def test_what_is_given_back_waits_again_and_costs_nothing(self):
        lease = make.taken()

        settled = finish(lease, Report("released"))

        assert (settled.item.status, settled.item.attempt, settled.item.crashes) == (ItemStatus.NEW, 1, 0)
        assert len(take(lease.queue)) == 1

    def test_what_is_abandoned_is_over(self):
        settled = finish(
            make.taken(make.item(make.queue(max_attempts=5)).queue), Report("abandoned", error_reason="No.")
        )

        assert settled.item.status == ItemStatus.ABANDONED
        assert settled.successor is None

    @pytest.mark.parametrize(
        ("report", "field"),
        [
            (Report("finished"), "status"),
            (Report("done", error_type="business"), "error_type"),
            (Report("failed", error_reason="x"), "error_type"),
            (Report("failed", error_type="system", error_reason="x"), "error_type"),
            (Report("failed", error_type="application"), "error_reason"),
            (Report("abandoned"), "error_reason"),
            (Report("failed", error_type="business", error_reason="x" * 10_001), "error_reason"),
            (Report("failed", error_type="business", error_reason="x", error_code="x" * 101), "error_code"),
            (Report("done", result="x" * 1024 * 1024), "result"),
        ],
    )
    def test_a_report_that_does_not_say_what_it_must_is_refused(self, report, field):
        with pytest.raises(Invalid) as refused:
            finish(make.taken(), report)

        assert [problem.field for problem in refused.value.problems] == [field]


class TestRunningOut:
    def test_a_lease_that_ran_out_gives_its_item_back(self):
        lease = make.taken()

        assert sweep(lease)

        lease.item.refresh_from_db()
        assert (lease.item.status, lease.item.crashes, lease.item.attempt) == (ItemStatus.NEW, 1, 1)
        assert len(take(lease.queue)) == 1

    def test_a_lease_that_was_renewed_in_time_is_left_alone(self):
        lease = make.taken()
        run_out(lease)
        services.renew_item(lease, actor=SYSTEM, progress={"percent": 40})

        assert not services.sweep_lease(lease, actor=SYSTEM)

        lease.item.refresh_from_db()
        assert (lease.item.status, lease.item.progress) == (ItemStatus.IN_PROGRESS, {"percent": 40})

    def test_an_item_whose_holders_vanish_again_and_again_is_parked(self):
        queue = make.item(make.queue(most_crashes=2)).queue
        sweep(make.taken(queue))
        last = make.taken(queue)

        sweep(last)

        last.item.refresh_from_db()
        assert (last.item.status, last.item.error_type, last.item.error_code) == ("failed", "system", "poison")
        assert take(queue) == []

    def test_a_late_success_counts_where_nobody_has_begun_again(self):
        lease = make.taken()
        sweep(lease)

        settled = finish(lease)

        assert settled.answer is Answer.ADOPTED
        assert settled.item.status == ItemStatus.DONE

    @pytest.mark.parametrize("report", [DONE, FAILED], ids=["a success", "a failure"])
    def test_what_comes_after_another_began_is_kept_aside(self, report):
        lease = make.taken()
        sweep(lease)
        other = make.taken(lease.queue)

        settled = finish(lease, report)

        assert settled.answer is Answer.LATE
        assert finish(other).answer is Answer.ACCEPTED
        lease.refresh_from_db()
        assert lease.late_report["outcome"] == report.outcome

    def test_a_late_failure_is_kept_aside_for_another_try_is_under_way_anyhow(self):
        lease = make.taken()
        sweep(lease)

        assert finish(lease, FAILED).answer is Answer.LATE

    def test_a_lease_that_is_over_cannot_be_renewed(self):
        lease = make.taken()
        finish(lease)

        with pytest.raises(services.LeaseOver):
            services.renew_item(lease, actor=SYSTEM)


class TestWithinAJob:
    def held(self, *, owned=False, **fields):
        queue, execution, job = make.queue(**fields), uuid.uuid4(), uuid.uuid4()
        make.item(queue)
        [lease] = take(queue, execution_id=execution, job_id=job)
        if owned:
            QueueItem.objects.filter(pk=lease.item_id).update(reserved_for=job)
        return lease, execution

    @pytest.mark.parametrize(
        ("owned", "end", "status", "crashes"),
        [
            (True, "completed", "done", 0),
            (True, "failed", "failed", 0),
            (True, "lost", "new", 1),
            (True, "released", "new", 0),
            (False, "completed", "new", 0),
            (False, "failed", "new", 1),
            (False, "lost", "new", 1),
            (False, "cancelled", "new", 0),
        ],
    )
    def test_the_end_of_an_execution_settles_what_it_still_holds(self, owned, end, status, crashes):
        lease, execution = self.held(owned=owned)

        services.settle_execution(execution, actor=SYSTEM, end=end)

        lease.item.refresh_from_db()
        assert (lease.item.status, lease.item.crashes) == (status, crashes)

    def test_what_a_failed_job_owned_is_tried_again_by_the_queues_rules(self):
        lease, execution = self.held(owned=True, max_attempts=2)

        services.settle_execution(execution, actor=SYSTEM, end="failed", failure=FAILED)

        again = QueueItem.objects.get(retry_of=lease.item)
        assert again.attempt == 2

    def test_what_was_settled_before_stays_as_it_is(self):
        lease, execution = self.held()
        finish(lease)

        assert services.settle_execution(execution, actor=SYSTEM, end="failed") == []


class TestOperating:
    def failed(self, **fields):
        return finish(make.taken(make.item(make.queue(**fields)).queue), BUSINESS).item

    def test_requeuing_makes_a_new_try_and_leaves_the_old_one_its_outcome(self):
        old = self.failed()

        new = services.requeue_item(old, actor=SYSTEM)

        assert (new.status, new.attempt, new.retry_of) == (ItemStatus.NEW, 1, old)
        old.refresh_from_db()
        assert old.status == ItemStatus.FAILED
        with pytest.raises(services.HasSuccessor) as refused:
            services.requeue_item(old, actor=SYSTEM)
        assert refused.value.extra == {"item": str(new.pk)}

    def test_only_what_is_over_is_requeued(self):
        with pytest.raises(services.ItemNotOver):
            services.requeue_item(make.item(), actor=SYSTEM)

    def test_nothing_is_requeued_into_a_queue_that_was_deleted(self):
        old = self.failed()
        services.delete_queue(old.queue, actor=SYSTEM)

        with pytest.raises(services.QueueClosed):
            services.requeue_item(QueueItem.objects.get(pk=old.pk), actor=SYSTEM)

        assert not old.retries.exists()

    def test_a_waiting_item_is_postponed_and_put_first(self):
        item = make.item()
        until = timezone.now() + timedelta(hours=2)

        services.postpone_item(item, actor=SYSTEM, until=until)
        services.prioritise_item(item, actor=SYSTEM, priority=9)

        item.refresh_from_db()
        assert (item.available_at, item.priority) == (until, 9)

    def test_what_somebody_works_on_is_neither_moved_nor_deleted(self):
        lease = make.taken()

        with pytest.raises(services.ItemBegun):
            services.prioritise_item(lease.item, actor=SYSTEM, priority=1)
        with pytest.raises(services.ItemBegun):
            services.delete_item(lease.item, actor=SYSTEM)

    def test_a_moment_or_a_priority_out_of_bounds_is_refused(self):
        item = make.item()

        with pytest.raises(Invalid, match="a year ahead"):
            services.postpone_item(item, actor=SYSTEM, until=timezone.now() + timedelta(days=400))
        with pytest.raises(Invalid, match="between -1000 and 1000"):
            services.prioritise_item(item, actor=SYSTEM, priority=1001)

    def test_a_person_reviews_what_failed(self):
        item = self.failed()

        services.review_item(item, actor=SYSTEM, status="verified", comment="The customer was told.")

        item.refresh_from_db()
        assert (item.review_status, item.review_comment) == ("verified", "The customer was told.")
        with pytest.raises(Invalid, match="there are"):
            services.review_item(item, actor=SYSTEM, status="fine")
        with pytest.raises(services.ItemNotOver):
            services.review_item(make.item(), actor=SYSTEM, status="open")
