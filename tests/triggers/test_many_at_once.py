"""Many workers and beats at once, and workers that die between two lines: each due time still comes once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from django.db import connection

from apps.events.models import Event
from apps.jobs import services as jobs
from apps.jobs.models import Job
from apps.triggers import services, tasks
from apps.triggers.models import Firing, Trigger
from apps.triggers.services import _outcomes, _surroundings, _writing
from tests import make
from tests.make import SYSTEM
from tests.triggers.firing import end, firings, hour, jobs_of, look, trigger_due

pytestmark = pytest.mark.django_db(transaction=True)


class WorkerDied(Exception):
    """Stands for a worker that is gone between two lines."""


def at_once(count, function):
    """Call a function that often at the same moment, each on a connection of its own."""
    ready = threading.Barrier(count)

    def call(_):
        ready.wait(30)
        try:
            return function()
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def test_two_beats_and_many_workers_fire_each_time_once():
    process = make.process()
    triggers = [make.trigger(process, configuration={"cron": "@yearly"}) for _ in range(20)]
    Trigger.objects.update(next_fire_at=datetime.now(UTC) - timedelta(seconds=1))

    looked_at = at_once(8, tasks.fire_due)

    assert sum(looked_at) == 20
    assert Firing.objects.count() == Job.objects.count() == 20
    assert {len(jobs_of(trigger)) for trigger in triggers} == {1}


def test_times_stored_by_other_rules_of_a_zone_move_once_however_many_look():
    triggers = [make.trigger(configuration={"cron": "@yearly"}) for _ in range(5)]
    right = {trigger.next_fire_at for trigger in triggers}
    Trigger.objects.update(next_fire_at=datetime.now(UTC) + timedelta(days=400))

    at_once(4, tasks.follow_zone_rules)
    tasks.follow_zone_rules()  # for those that were passed over, as somebody held them

    assert set(Trigger.objects.values_list("next_fire_at", flat=True)) == right
    assert Event.objects.filter(type="trigger.moved").count() == 5


def test_small_batches_of_many_workers_share_the_work():
    process = make.process()
    for _ in range(20):
        trigger_due(hour(0), of=process)

    def work():
        while look(hour(0), limit=3):
            pass

    at_once(5, work)

    assert Firing.objects.count() == Job.objects.count() == 20


def test_what_waited_is_made_once_however_many_look():
    trigger = trigger_due(hour(0), overlap="queue_one")
    look(hour(0))
    look(hour(1))
    end(jobs_of(trigger)[0])

    settled = at_once(6, lambda: services.release_waiting_firings(actor=SYSTEM))

    assert sum(settled) == 1
    assert len(jobs_of(trigger)) == 2


def test_two_beats_after_an_outage_settle_every_rule_as_one_does():
    process = make.process()
    rules = list(product(["fire_once", "fire_all", "skip"], ["allow", "skip", "queue_one", "cancel_previous"]))
    alone = [trigger_due(hour(0), of=process, misfire=misfire, overlap=overlap) for misfire, overlap in rules]
    look(hour(3.5))
    expected = [(firings(trigger), len(jobs_of(trigger))) for trigger in alone]
    triggers = [trigger_due(hour(0), of=process, misfire=misfire, overlap=overlap) for misfire, overlap in rules]

    at_once(4, lambda: look(hour(3.5), limit=5))
    at_once(4, lambda: look(hour(3.5), limit=5))

    assert [(firings(trigger), len(jobs_of(trigger))) for trigger in triggers] == expected


STEPS = [
    (_surroundings, "read"),
    (_surroundings, "decided"),
    (_outcomes, "outcomes_of"),
    (_writing, "write"),
    (_writing, "make_jobs"),
    (jobs, "create_triggered_jobs"),
    (_writing, "store"),
    (_writing, "tell"),
    (jobs, "replace_jobs"),
    (_writing, "_standing_of"),
    (_writing, "_alarm"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("module", "name"), STEPS, ids=[name for _, name in STEPS])
def test_a_worker_that_dies_at_any_step_leaves_nothing_and_the_next_does_it_all(monkeypatch, module, name, when):
    trigger = trigger_due(hour(0), overlap="cancel_previous")
    look(hour(0))
    step = getattr(module, name)

    def die(*args, **kwargs):
        if when == "after":
            step(*args, **kwargs)
        raise WorkerDied

    with monkeypatch.context() as patch:
        patch.setattr(module, name, die)
        with pytest.raises(WorkerDied):
            look(hour(1))
    assert firings(trigger) == [(0, "fired", "")]
    assert [job.status for job in jobs_of(trigger)] == ["pending"]

    look(hour(1))

    assert firings(trigger) == [(0, "fired", ""), (1, "fired", "")]
    assert [job.status for job in jobs_of(trigger)] == ["cancelled", "pending"]
