"""Queue triggers that hand items out: each job owns a batch, and each item is handed out once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from apps.core.actors import Actor
from apps.core.errors import Invalid, NotAllowed
from apps.jobs import services as jobs
from apps.jobs.models import Job
from apps.jobs.services import _items
from apps.processes import services as processes
from apps.queues import services as queues
from apps.queues.models import ItemStatus, QueueItem, waiting
from apps.triggers import services
from apps.triggers.models import Firing, Trigger
from apps.triggers.models.history import last_day
from apps.triggers.services import _handing_out, _outcomes, _writing
from tests import make
from tests.jobs import reports
from tests.make import SYSTEM
from tests.triggers.firing import NOON, end, jobs_of
from tests.triggers.test_many_at_once import WorkerDied, at_once

pytestmark = pytest.mark.django_db

SOURCE = "def main(items: list = (), customer: str = ''):\n    return None\n"


def handing_out(of=None, inside=None, **fields):
    """A trigger that hands out the items of a queue."""
    inside = inside or (of.folder if of else make.folder())
    process = make.process(inside, package=make.package_version(inside, source=SOURCE).package)
    configuration = {"mode": "hand_out", "batch_size": 2, "most": 5} | fields.pop("configuration", {})
    return make.trigger(process, kind="queue", queue=of or make.queue(inside), configuration=configuration, **fields)


def look(seconds=0):
    return services.fire_due_triggers(actor=SYSTEM, at=NOON + timedelta(seconds=seconds))


def owned_by(job):
    return list(QueueItem.objects.filter(reserved_for=job.pk).order_by("pk"))


def owners():
    """How many items each job owns, and how many wait for anybody, as 0."""
    found = list(QueueItem.objects.values_list("reserved_for", flat=True))
    return sorted(found.count(job) for job in {*found} - {None}), found.count(None)


class TestALook:
    def test_gives_each_job_the_next_items_best_first(self):
        trigger = handing_out(parameters={"items": "{{ item_ids }}"})
        low, middle = make.items(trigger.queue, 1, 2)
        high = make.item(trigger.queue, priority=9)

        assert look() == 1

        first, second = jobs_of(trigger)
        assert {item.pk for item in owned_by(first)} == {high.pk, low.pk}
        assert owned_by(second) == [middle]
        assert first.parameters == {"items": [str(high.pk), str(low.pk)]}

    def test_leaves_its_numbers_with_the_row(self):
        trigger = handing_out()
        make.items(trigger.queue, 1, 2, 3)

        look()

        firing = Firing.objects.get()
        assert (firing.jobs_made, firing.facts["handed_out"]) == (2, [2, 1])
        assert firing.facts["because"] == "3 waiting items at 2 for each job: 2 more wanted, at most 5, 0 there."
        trigger.refresh_from_db()
        assert trigger.next_fire_at == NOON + timedelta(seconds=5)

    def test_hands_out_nothing_twice(self):
        trigger = handing_out()
        make.items(trigger.queue, 1, 2, 3)

        assert [look(0), look(1), look(5), look(10)] == [1, 0, 1, 1]

        assert owners() == ([1, 2], 0)
        assert Firing.objects.count() == 1

    def test_makes_no_more_jobs_than_may_go_on(self):
        trigger = handing_out(configuration={"most": 2})
        make.items(trigger.queue, *range(7))
        look(0)
        look(5)
        assert owners() == ([2, 2], 3)

        end(jobs_of(trigger)[0])
        look(10)

        assert owners() == ([2, 2, 2], 1)

    def test_makes_no_more_jobs_than_an_hour_allows(self):
        trigger = handing_out(configuration={"jobs_per_hour": 1})
        make.items(trigger.queue, *range(4))

        look(0)
        look(5)

        assert owners() == ([2], 2)
        assert list(Firing.objects.order_by("due_at").values_list("code", flat=True)) == ["", "limit"]

    def test_leaves_alone_what_is_postponed_or_belongs_to_a_job(self):
        trigger = handing_out()
        make.item(trigger.queue, available_at=datetime.now(UTC) + timedelta(days=1))
        mine = make.item(trigger.queue)
        QueueItem.objects.filter(pk=mine.pk).update(reserved_for=make.job().pk)
        QueueItem.objects.exclude(pk=mine.pk).update(available_at=NOON + timedelta(hours=1))

        look()

        assert jobs_of(trigger) == []

    def test_hands_out_nothing_of_a_paused_queue(self):
        trigger = handing_out()
        make.items(trigger.queue, 1)
        queues.pause_queue(trigger.queue, actor=SYSTEM)

        look()

        assert Firing.objects.get().code == "paused"
        assert owners() == ([], 1)

    def test_hands_out_nothing_where_its_job_cannot_be_made(self):
        trigger = handing_out()
        make.items(trigger.queue, 1)
        processes.disable_process(trigger.process, actor=SYSTEM)

        look()

        assert Firing.objects.get().code == "process_disabled"
        assert owners() == ([], 1)

    def test_gives_a_job_no_more_than_can_be_delivered_with_it(self):
        trigger = handing_out(configuration={"batch_size": 100})
        make.items(trigger.queue, *["x" * 900_000] * 6)

        look(0)
        assert owners() == ([4], 2)
        look(5)

        assert owners() == ([2, 4], 0)

    def test_of_two_triggers_of_one_queue_gives_each_items_of_its_own(self):
        queue = make.queue()
        one, other = handing_out(queue, configuration={"most": 1}), handing_out(queue, configuration={"most": 1})
        make.items(queue, *range(3))

        assert look() == 2

        assert len(jobs_of(one)) == len(jobs_of(other)) == 1
        assert owners() == ([1, 2], 0)

    def test_of_many_tenants_gives_each_its_own(self):
        one, other = handing_out(), handing_out()
        make.items(one.queue, 1)
        make.items(other.queue, 2)

        assert look() == 2

        assert [item.queue_id for item in owned_by(jobs_of(one)[0])] == [one.queue_id]
        assert [item.queue_id for item in owned_by(jobs_of(other)[0])] == [other.queue_id]


class TestWhatBecomesOfTheItems:
    def test_they_are_delivered_with_the_job_and_settled_by_its_end(self):
        trigger = handing_out()
        make.items(trigger.queue, 1, 2)
        look()
        robot = make.robot(of=trigger.tenant)

        execution = jobs.start_execution(make.claimed(make.session(robot)), actor=make.acting(robot))
        working = set(QueueItem.objects.values_list("status", flat=True))
        jobs.finish_execution(
            robot, actor=make.acting(robot), lease_id=execution.lease_id, report=reports.report(execution)
        )

        assert working == {ItemStatus.IN_PROGRESS}
        assert set(QueueItem.objects.values_list("status", flat=True)) == {ItemStatus.DONE}

    def test_of_a_job_that_is_cancelled_they_go_to_the_next_one(self):
        trigger = handing_out()
        items = make.items(trigger.queue, 1, 2)
        look(0)
        [first] = jobs_of(trigger)

        jobs.cancel_job(first, actor=SYSTEM)
        look(5)

        _, second = jobs_of(trigger)
        assert owned_by(second) == items


class TestByHand:
    def test_the_job_owns_the_next_items(self):
        trigger = handing_out(parameters={"items": "{{ item_ids }}"})
        first, second, _ = make.items(trigger.queue, 1, 2, 3)

        services.fire_trigger(trigger, actor=SYSTEM)

        [job] = jobs_of(trigger)
        assert owned_by(job) == [first, second]
        assert job.parameters == {"items": [str(first.pk), str(second.pk)]}

    def test_it_owns_none_where_none_waits_or_the_queue_is_paused(self):
        trigger = handing_out()
        services.fire_trigger(trigger, actor=SYSTEM)
        make.items(trigger.queue, 1)
        queues.pause_queue(trigger.queue, actor=SYSTEM)

        services.fire_trigger(trigger, actor=SYSTEM)

        assert len(jobs_of(trigger)) == 2
        assert owners() == ([], 1)

    def test_of_a_broken_one_is_refused(self):
        trigger = handing_out()
        Trigger.objects.update(configuration={"mode": "moon"})

        with pytest.raises(Invalid, match="means nothing any more"):
            services.fire_trigger(trigger, actor=SYSTEM)


@pytest.mark.parametrize(
    ("configuration", "named"),
    [
        ({"mode": "moon"}, "configuration.mode"),
        ({"mode": 5}, "configuration.mode"),
        ({"mode": "hand_out", "batch_size": 0}, "configuration.batch_size"),
        ({"mode": "hand_out", "batch_size": 101}, "configuration.batch_size"),
        ({"mode": "hand_out", "items_per_job": 3}, "configuration.items_per_job"),
        ({"mode": "hand_out", "polling_interval": 1}, "configuration.polling_interval"),
        ({"batch_size": 3}, "configuration.batch_size"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(configuration, named):
    trigger = handing_out()

    with pytest.raises(Invalid) as refusal:
        services.update_trigger(trigger, actor=SYSTEM, configuration=configuration)

    assert [problem.field for problem in refusal.value.problems] == [named]


def test_whoever_may_not_take_items_makes_no_trigger_that_hands_them_out():
    trigger = handing_out()
    may = ("triggers.change_trigger", "processes.run_process", "queues.view_queue")
    person = Actor.person(make.user(*may, inside=trigger.tenant))

    with pytest.raises(NotAllowed, match="take_queueitem"):
        services.update_trigger(trigger, actor=person, configuration={"mode": "hand_out"})
    services.update_trigger(trigger, actor=person, configuration={"most": 2})


def test_what_it_would_have_done_in_the_last_day():
    queue = make.queue()
    make.items(queue, *range(5))
    QueueItem.objects.update(available_at=datetime.now(UTC) - timedelta(hours=2))

    steps = last_day(queue, {"mode": "hand_out", "batch_size": 2, "most": 2}, until=datetime.now(UTC))

    assert [(step.demand.start, step.level.waiting) for step in steps] == [(2, 5), (1, 1)]
    # Two items at a minute each, which is assumed where none was ever measured.
    assert steps[1].at - steps[0].at == timedelta(minutes=2)


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_many_workers_and_others_that_take_get_each_item_once(self):
        triggers = [handing_out(), handing_out()]
        for trigger in triggers:
            make.items(trigger.queue, *range(30))
        Trigger.objects.update(configuration={"mode": "hand_out", "batch_size": 3, "most": 1000})
        taken = []

        def work():
            for trigger in triggers:
                taken.extend(queues.take_items(trigger.queue, actor=SYSTEM, holder=make.holder(), count=2))
                Trigger.objects.update(next_fire_at=NOON)
                look()

        at_once(6, work)
        look(60)

        owned = list(QueueItem.objects.exclude(reserved_for=None).values_list("pk", flat=True))
        assert len(taken) + len(owned) == 60
        assert {lease.item_id for lease in taken} & set(owned) == set()
        assert owners()[1] == len(taken)
        handed = [sum(facts["handed_out"]) for facts in Firing.objects.values_list("facts", flat=True)]
        assert sum(handed) == len(owned)

    STEPS = (
        (_outcomes, "outcomes_of"),
        (_handing_out, "batches_of"),
        (waiting, "lock_best"),
        (_writing, "make_jobs"),
        (jobs, "create_triggered_jobs"),
        (_items, "reserve"),
        (queues, "reserve_items"),
        (_writing, "store"),
        (_writing, "_standing_of"),
    )

    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize(("module", "name"), STEPS, ids=[name for _, name in STEPS])
    def test_a_worker_that_dies_at_any_step_hands_out_nothing_and_the_next_does_it_all(
        self, monkeypatch, module, name, when
    ):
        trigger = handing_out()
        make.items(trigger.queue, 1, 2, 3)
        step = getattr(module, name)

        def die(*args, **kwargs):
            if when == "after":
                step(*args, **kwargs)
            raise WorkerDied

        with monkeypatch.context() as patch:
            patch.setattr(module, name, die)
            with pytest.raises(WorkerDied):
                look()
        assert (owners(), Job.objects.count(), Firing.objects.count()) == (([], 3), 0, 0)

        look()

        assert (owners(), Job.objects.count(), Firing.objects.count()) == (([1, 2], 0), 2, 1)
