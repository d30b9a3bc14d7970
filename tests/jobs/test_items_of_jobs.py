"""Jobs that own items: nobody else is given them, they come with the claim, and the job's end settles them."""

from __future__ import annotations

import uuid

import pytest
from django.utils import timezone

from apps.core.actors import Actor
from apps.core.errors import Invalid, NotAllowed
from apps.jobs import services
from apps.jobs.models import JobStatus
from apps.jobs.rules.reports import End
from apps.queues import services as queues
from apps.queues.models import ItemLease, ItemStatus, QueueItem
from apps.runner.serializers.leases import leases_of
from tests import api, make
from tests.jobs.reports import due, fail, finish, job_of, lose

pytestmark = pytest.mark.django_db


@pytest.fixture
def process():
    return make.process(max_attempts=2, backoff_base=0)


@pytest.fixture
def queue(process):
    return make.queue(process.folder)


def owned(execution):
    """What a job owns, as it stands now: status and payload, in the order of the payloads."""
    rows = QueueItem.objects.filter(lineage__in=execution.items).order_by("payload", "attempt")
    return list(rows.values_list("status", "payload"))


def begun(process, items, **wanted):
    """The execution of a job that owns items, which its robot has begun."""
    execution = make.running_job(process, queue_items=[item.pk for item in items], **wanted)
    execution.items = [item.pk for item in items]
    return execution


def again(execution):
    """The next execution of the same job, on another robot."""
    due(job_of(execution))
    worker = make.session(make.robot(of=execution.tenant))
    following = services.start_execution(make.claimed(worker), actor=make.acting(worker.robot))
    following.items = execution.items
    return following


def taken_by_others(queue):
    return [lease.item_id for lease in queues.take_items(queue, actor=make.SYSTEM, holder=make.holder(), count=100)]


class TestReserving:
    def test_what_a_job_owns_is_given_to_nobody_else(self, process, queue):
        mine, other = make.items(queue, 1, 2)

        job = make.job(process, queue_items=[mine.pk])

        mine.refresh_from_db()
        assert (mine.status, mine.reserved_for) == (ItemStatus.NEW, job.pk)
        assert taken_by_others(queue) == [other.pk]

    @pytest.mark.parametrize("state", ["reserved", "in_progress", "done", "failed"])
    def test_what_does_not_wait_for_everybody_is_refused_and_no_job_is_made(self, process, queue, state):
        item = make.item(queue)
        reach(state, item, process)

        with pytest.raises(queues.ItemsTaken) as refused:
            make.job(process, queue_items=[make.item(queue).pk, item.pk])

        assert refused.value.extra == {"items": {str(item.pk): state}}

    def test_unknown_and_repeated_ones_are_refused_by_name(self, process, queue):
        item = make.item(queue)

        with pytest.raises(Invalid, match="no such item"):
            make.job(process, queue_items=[uuid.uuid4()])
        with pytest.raises(Invalid, match="no such item"):
            make.job(process, queue_items=[make.item().pk])
        with pytest.raises(Invalid, match="named twice"):
            make.job(process, queue_items=[item.pk, item.pk])

    def test_more_than_a_job_is_delivered_with_is_refused(self, process, queue):
        many = [item.pk for item in make.items(queue, *range(101))]
        large = [item.pk for item in make.items(queue, *["x" * 900_000] * 5)]

        with pytest.raises(Invalid, match="at most 100"):
            make.job(process, queue_items=many)
        with pytest.raises(Invalid, match="bytes"):
            make.job(process, queue_items=large)

    def test_whoever_may_not_take_items_gives_none_to_a_job(self, process, queue):
        item = make.item(queue)
        runner = make.user("processes.run_process", "queues.view_queueitem", inside=process.tenant)

        with pytest.raises(NotAllowed):
            services.create_job(
                process, actor=Actor.person(runner), wanted=services.Wanted(parameters={}, queue_items=[item.pk])
            )

    def test_many_jobs_own_items_of_their_own(self, process, queue):
        one, two, three = make.items(queue, 1, 2, 3)
        wanted = [
            services.Wanted(parameters={}, queue_items=[one.pk, two.pk]),
            services.Wanted(parameters={}),
            services.Wanted(parameters={}, queue_items=[three.pk]),
        ]

        first, _, third = services.create_jobs(process, actor=make.SYSTEM, wanted=wanted)

        owners = QueueItem.objects.order_by("payload").values_list("reserved_for", flat=True)
        assert list(owners) == [first.pk, first.pk, third.pk]


class TestOverTheApi:
    def test_a_job_is_made_with_items_of_its_own(self, process, queue):
        item = make.item(queue)

        made = api.root().post("jobs", {"process": process.pk, "queue_item_ids": [item.pk]})

        item.refresh_from_db()
        assert (made.status_code, str(item.reserved_for)) == (201, made.json()["id"])
        assert made.json()["queue_item_ids"] == [str(item.pk)]

    def test_a_job_tells_which_items_it_owns_whatever_has_become_of_them(self, process, queue):
        item, other = make.items(queue, 1, 2)
        job = make.job(process, queue_items=[other.pk, item.pk])
        QueueItem.objects.filter(pk=item.pk).update(status="abandoned", finished_at=timezone.now())

        read = api.root().get(f"jobs/{job.pk}").json()
        listed = api.root().get("jobs").json()["items"]

        assert read["queue_item_ids"] == [str(item.pk), str(other.pk)]
        assert "queue_item_ids" not in listed[0]

    def test_what_cannot_be_given_to_it_is_told(self, process, queue):
        item = make.item(queue)
        make.job(process, queue_items=[item.pk])

        taken = api.root().post("jobs", {"process": process.pk, "queue_item_ids": [item.pk]})
        wrong = api.root().post("jobs", {"process": process.pk, "queue_item_ids": ["7"]})

        assert (taken.status_code, taken.json()["code"]) == (409, "items_taken")
        assert wrong.status_code == 400
        assert wrong.json()["errors"][0]["field"].startswith("queue_item_ids")


def reach(state, item, process):
    if state == "reserved":
        make.job(process, queue_items=[item.pk])
        return
    lease = make.taken(item.queue)
    error = {"error_type": "business", "error_reason": "x"} if state == "failed" else {}
    if state != "in_progress":
        queues.finish_item(lease, actor=make.SYSTEM, report=queues.Report(state, **error))


class TestTheClaim:
    def test_it_leases_what_the_job_owns_and_delivers_it_best_first(self, process, queue):
        low, high = make.item(queue, payload={"n": 1}), make.item(queue, payload={"n": 2}, priority=5, reference="B")

        execution = begun(process, [low, high])

        body = leases_of([execution.pk])[execution.pk].body
        assert body["queue_item_ids"] == [str(high.pk), str(low.pk)]
        assert [(one["payload"], one["reference"]) for one in body["queue_items"]] == [({"n": 2}, "B"), ({"n": 1}, "")]
        held = ItemLease.objects.filter(execution_id=execution.pk, holder_id=execution.robot_id, expires_at=None)
        assert {str(lease.lease_id) for lease in held} == {one["lease"] for one in body["queue_items"]}

    def test_its_robot_settles_one_by_one_under_the_lease_that_was_delivered(self, process, queue):
        execution = begun(process, make.items(queue, 1, 2))
        first, _ = leases_of([execution.pk])[execution.pk].body["queue_items"]
        lease = queues.find_lease(uuid.UUID(first["lease"]), actor=make.acting(execution.robot))

        queues.finish_item(lease, actor=make.SYSTEM, report=queues.Report("released"))
        finish(execution)

        assert owned(execution) == [("new", 1), ("done", 2)]
        assert taken_by_others(queue) == [lease.item_id]

    def test_what_was_postponed_or_is_in_a_paused_queue_goes_with_its_job(self, process, queue):
        item = make.item(queue)
        queues.pause_queue(queue, actor=make.SYSTEM, reason="the bank is closed")

        execution = begun(process, [item])

        assert owned(execution) == [("in_progress", {})]

    def test_what_was_deleted_meanwhile_is_left_out(self, process, queue):
        one, two = make.items(queue, 1, 2)
        make.job(process, queue_items=[one.pk, two.pk])
        one.refresh_from_db()
        queues.delete_item(one, actor=make.SYSTEM)

        execution = make.claimed(make.session(make.robot(of=process.tenant)))

        assert leases_of([execution.pk])[execution.pk].body["queue_item_ids"] == [str(two.pk)]


class TestTheEnd:
    def test_success_settles_what_the_job_still_holds(self, process, queue):
        execution = begun(process, make.items(queue, 1, 2))

        finish(execution)

        assert owned(execution) == [("done", 1), ("done", 2)]

    def test_a_failure_for_good_fails_them_and_the_queue_says_whether_they_are_tried_again(self, process):
        patient = make.queue(process.folder, max_attempts=2)
        execution = begun(process, make.items(patient, 1), max_attempts=1)

        fail(execution)

        first, second = QueueItem.objects.filter(queue=patient).order_by("attempt")
        assert (first.status, first.error_type, first.error_code) == ("failed", "application", "application_error")
        assert first.error_reason == "no"
        assert (second.status, second.reserved_for) == ("new", None)

    def test_a_business_error_of_the_job_is_one_of_its_items(self, process):
        execution = begun(process, make.items(make.queue(process.folder, max_attempts=2), 1))

        fail(execution, "business_error")

        item = QueueItem.objects.get(pk__in=execution.items)
        assert (item.error_type, item.retries.count()) == ("business", 0)

    @pytest.mark.parametrize("end", [fail, lose], ids=["a failure", "a loss"])
    def test_they_wait_for_the_jobs_next_try(self, process, queue, end):
        execution = begun(process, make.items(queue, 1, 2))

        end(execution)

        assert owned(execution) == [("new", 1), ("new", 2)]
        assert taken_by_others(queue) == []
        finish(again(execution))
        assert owned(execution) == [("done", 1), ("done", 2)]

    def test_given_back_they_wait_for_the_next_robot(self, process, queue):
        execution = begun(process, make.items(queue, 1))

        services.release_execution(execution, actor=make.acting(execution.robot))

        assert taken_by_others(queue) == []
        assert leases_of([again(execution).pk])

    def test_a_late_success_counts_for_them_too(self, process, queue):
        execution = begun(process, make.items(queue, 1, 2))
        lose(execution)

        assert finish(execution).adopted

        assert owned(execution) == [("done", 1), ("done", 2)]

    def test_a_success_that_is_too_late_leaves_them_to_the_next_try(self, process, queue):
        execution = begun(process, make.items(queue, 1))
        lose(execution)
        following = again(execution)

        finish(execution)

        assert owned(execution) == [("in_progress", 1)]
        finish(following)
        assert owned(execution) == [("done", 1)]

    @pytest.mark.parametrize(
        "operation", [services.cancel_job, services.stop_job, services.kill_job], ids=["cancel", "stop", "kill"]
    )
    def test_a_job_that_ends_before_it_began_frees_them(self, process, queue, operation):
        items = make.items(queue, 1, 2)
        job = make.job(process, queue_items=[item.pk for item in items])

        operation(job, actor=make.SYSTEM)

        assert taken_by_others(queue) == [item.pk for item in items]

    def test_many_that_are_cancelled_with_their_parent_free_theirs(self, process, queue):
        parent = make.running_job(process)
        child = make.job(process, queue_items=[make.item(queue).pk])
        child.parent_id = parent.job_id
        child.save(update_fields=["parent"])

        services.cancel_job(parent.job, actor=make.SYSTEM)

        assert len(taken_by_others(queue)) == 1

    def test_a_job_that_is_killed_frees_them(self, process, queue):
        execution = begun(process, make.items(queue, 1))

        services.kill_job(execution.job, actor=make.SYSTEM)

        assert taken_by_others(queue) == execution.items

    def test_a_job_that_ends_because_it_was_cancelled_frees_them(self, process, queue):
        execution = begun(process, make.items(queue, 1))
        services.cancel_job(execution.job, actor=make.SYSTEM)

        finish(execution, End.CANCELLED)

        assert taken_by_others(queue) == execution.items

    def test_a_job_that_is_lost_for_good_frees_them_with_a_crash(self, queue, process):
        execution = begun(process, make.items(queue, 1), max_attempts=1)

        lose(execution)

        assert job_of(execution).status == JobStatus.FAILED
        item = QueueItem.objects.get(pk__in=execution.items)
        assert (item.status, item.reserved_for, item.crashes) == (ItemStatus.NEW, None, 1)

    def test_what_it_took_by_itself_goes_back_to_everybody(self, process, queue):
        execution = make.running_job(process)
        holder = queues.Holder("execution", execution.robot_id, execution.pk, execution.job_id)
        make.item(queue)
        lease = make.taken(queue, holder=holder)

        finish(execution)

        lease.item.refresh_from_db()
        assert (lease.item.status, lease.item.crashes) == (ItemStatus.NEW, 0)
        assert taken_by_others(queue) == [lease.item_id]

    def test_a_held_job_keeps_them_until_a_person_decides(self, queue, process):
        held = make.process(process.folder, on_lost="hold")
        execution = begun(held, make.items(queue, 1))
        lose(execution)

        assert taken_by_others(queue) == []
        services.fail_job(job_of(execution), actor=make.SYSTEM, reason="It did nothing.")
        assert taken_by_others(queue) == execution.items
