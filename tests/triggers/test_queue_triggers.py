"""Queue triggers: as many jobs as the items need, looked at every few seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models.functions import Now

from apps.core.errors import Invalid
from apps.events.models import Event
from apps.jobs.models import Job
from apps.processes import services as processes
from apps.queues import services as queues
from apps.queues.models import ItemStatus, QueueItem
from apps.triggers import services
from apps.triggers.models import Firing, Trigger
from apps.triggers.models.history import last_day
from tests import make
from tests.make import SYSTEM
from tests.triggers.firing import NOON, end, jobs_of

pytestmark = pytest.mark.django_db

BEGIN = NOON


def queue_trigger(**configuration):
    """A trigger that looks after a queue of its own."""
    process = make.process()
    queue = make.queue(process.folder)
    return make.trigger(process, kind="queue", queue=queue, configuration={"most": 5} | configuration)


def look(seconds=0):
    return services.fire_due_triggers(actor=SYSTEM, at=BEGIN + timedelta(seconds=seconds))


def told():
    return list(Firing.objects.order_by("due_at").values_list("status", "code", "jobs_made"))


def test_it_starts_what_is_missing_and_leaves_the_numbers_with_the_row():
    trigger = queue_trigger(items_per_job=2)
    make.items(trigger.queue, 1, 2, 3)

    assert look() == 1

    assert len(jobs_of(trigger)) == 2
    firing = Firing.objects.get()
    assert firing.jobs_made == 2
    assert firing.facts["level"]["waiting"] == 3
    assert firing.facts["because"] == "3 items at 2 per job: 2 wanted, 2 between 0 and 5, 0 there."
    trigger.refresh_from_db()
    assert trigger.next_fire_at == BEGIN + timedelta(seconds=5)


def test_looking_again_starts_no_more_for_the_same_items_and_leaves_no_row():
    trigger = queue_trigger()
    make.items(trigger.queue, 1, 2)

    assert [look(0), look(1), look(5), look(10)] == [1, 0, 1, 1]

    assert told() == [("fired", "", 2)]
    assert len(jobs_of(trigger)) == 2


def test_an_empty_queue_leaves_no_row():
    queue_trigger()

    assert look() == 1

    assert told() == []


def test_an_item_counts_once_it_is_available():
    trigger = queue_trigger()
    make.item(trigger.queue)
    QueueItem.objects.update(available_at=BEGIN + timedelta(seconds=3))

    look(0)
    assert jobs_of(trigger) == []
    look(5)

    assert len(jobs_of(trigger)) == 1


def test_a_retry_counts_like_any_item():
    trigger = queue_trigger()
    queues.update_queue(trigger.queue, actor=SYSTEM, max_attempts=2, backoff_base=1, backoff_jitter=False)
    lease = make.taken(make.item(trigger.queue).queue)
    queues.finish_item(
        lease, actor=SYSTEM, report=queues.Report("failed", error_type="application", error_reason="The page is gone.")
    )

    look()

    assert len(jobs_of(trigger)) == 1


def test_many_items_at_once_start_as_many_as_may_be():
    trigger = queue_trigger()
    look(0)
    make.items(trigger.queue, *range(20))

    look(5)

    assert len(jobs_of(trigger)) == 5


def test_what_its_jobs_work_on_and_those_jobs_count():
    trigger = queue_trigger()
    make.items(trigger.queue, 1)
    look(0)
    [job] = jobs_of(trigger)
    QueueItem.objects.update(status=ItemStatus.IN_PROGRESS, job_id=job.pk)
    make.items(trigger.queue, 2)

    look(5)

    assert len(jobs_of(trigger)) == 2
    assert Firing.objects.latest("due_at").facts["level"] | {"oldest": 0} == {
        "waiting": 1, "in_progress": 1, "live": 1, "oldest": 0, "time_left": None, "seconds_per_item": None
    }  # fmt: skip


def test_the_pace_is_measured_of_what_was_finished():
    trigger = queue_trigger(finish_within=20, most=9)
    for item in make.items(trigger.queue, 1, 2):
        begun = Now() - timedelta(seconds=10)
        QueueItem.objects.filter(pk=item.pk).update(status=ItemStatus.DONE, taken_at=begun, finished_at=Now())
    make.items(trigger.queue, *range(4))

    look()

    assert Firing.objects.get().facts["level"]["seconds_per_item"] == pytest.approx(10)
    assert len(jobs_of(trigger)) == 2


def test_a_cool_down_holds_the_next_jobs_back():
    trigger = queue_trigger(cool_down=60)
    make.items(trigger.queue, 1)
    look(0)
    end(jobs_of(trigger)[0])

    look(30)
    assert len(jobs_of(trigger)) == 1
    look(60)

    assert len(jobs_of(trigger)) == 2


def test_a_paused_queue_is_told_once_and_goes_on_when_it_is_resumed():
    trigger = queue_trigger()
    make.items(trigger.queue, 1)
    queues.pause_queue(trigger.queue, actor=SYSTEM)
    look(0)
    look(5)
    queues.resume_queue(trigger.queue, actor=SYSTEM)
    look(10)

    assert told() == [("skipped", "paused", 0), ("fired", "", 1)]


def test_no_more_jobs_than_an_hour_allows():
    trigger = queue_trigger(jobs_per_hour=2)
    make.items(trigger.queue, *range(9))

    look(0)
    look(5)
    look(10)

    assert told() == [("fired", "", 2), ("skipped", "limit", 0)]
    assert Firing.objects.latest("due_at").reason == "2 jobs were made within the hour, and 2 are allowed."


def test_a_trigger_whose_jobs_feed_its_own_queue_is_marked_and_capped():
    trigger = queue_trigger(most=1000)
    items = make.items(trigger.queue, *range(100))
    own = f"job {trigger.process.name} …12345678"
    QueueItem.objects.filter(pk=items[0].pk).update(created_by=own)

    look(0)
    look(5)

    assert told() == [("fired", "", 60), ("skipped", "limit", 0)]
    assert "Its own jobs add items to its queue" in Firing.objects.latest("due_at").reason
    trigger.refresh_from_db()
    assert trigger.memory["feeds_itself"]
    assert Event.objects.filter(type="trigger.feeds_itself").count() == 1


def test_jobs_that_cannot_be_made_switch_it_off_in_the_end():
    trigger = queue_trigger()
    make.items(trigger.queue, 1)
    processes.disable_process(trigger.process, actor=SYSTEM)
    Trigger.objects.update(most_failures=2)

    for number in range(4):
        look(number * 5)

    assert told() == [("failed", "process_disabled", 0)] * 2
    trigger.refresh_from_db()
    assert not trigger.enabled


def test_it_begins_and_ends_when_it_was_said_to():
    trigger = queue_trigger()
    make.items(trigger.queue, 1)
    begin, finish = BEGIN + timedelta(seconds=60), BEGIN + timedelta(seconds=62)
    services.update_trigger(trigger, actor=SYSTEM, starts_at=begin, ends_at=finish)

    assert [look(0), look(60), look(65)] == [0, 1, 0]

    trigger.refresh_from_db()
    assert trigger.next_fire_at is None
    assert Job.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"configuration": {"most": 0}}, "configuration.most"),
        ({"configuration": {"moon": 1}}, "configuration.moon"),
        ({"overlap": "skip"}, "overlap"),
        ({"queue": None}, "queue"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(fields, named):
    trigger = queue_trigger()

    with pytest.raises(Invalid) as refusal:
        services.update_trigger(trigger, actor=SYSTEM, **fields)

    assert [problem.field for problem in refusal.value.problems] == [named]


def test_a_queue_of_another_tenant_is_not_there():
    with pytest.raises(Invalid, match="queue: does not exist"):
        make.trigger(kind="queue", queue=make.queue())


def test_a_queue_that_was_deleted_is_told():
    trigger = queue_trigger(least=1)
    queues.delete_queue(trigger.queue, actor=SYSTEM)

    look()

    assert told() == [("skipped", "queue", 0)]


def test_what_it_would_have_done_in_the_last_day():
    queue = make.queue()
    for item in make.items(queue, 1, 2, 3):
        begun = Now() - timedelta(hours=2)
        changes = {"available_at": begun, "taken_at": begun, "finished_at": begun + timedelta(seconds=30)}
        QueueItem.objects.filter(pk=item.pk).update(status=ItemStatus.DONE, **changes)
    old = make.item(queue)
    QueueItem.objects.filter(pk=old.pk).update(available_at=Now() - timedelta(days=2))

    steps = last_day(queue, {"most": 2}, until=datetime.now(UTC))

    assert [step.demand.start for step in steps] == [2, 1]
    assert steps[0].level.seconds_per_item == pytest.approx(30)
