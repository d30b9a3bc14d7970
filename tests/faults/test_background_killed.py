"""Worker, beat and broker die or hang: robots go on, and what time brings about comes a little later."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from apps.jobs.models import BulkChange, BulkStatus, Execution, Job, JobStatus
from apps.triggers.models import Firing, Trigger
from tests import make


def lost_lease(ground, process) -> str:
    """A job whose robot has vanished with it."""
    robot = ground.robot(work=lambda: 600.0)
    [job] = ground.run(process)
    ground.until(lambda: ground.log.count("ran", robot=robot.id))
    robot.stop()
    return job


@pytest.mark.parametrize("role", ["worker", "beat"])
def test_leases_are_swept_again_after_the_kill_of(ground, role):
    process = ground.process(max_attempts=1)

    ground.plant.kill(role)
    job = lost_lease(ground, process)

    assert ground.drain()[job] == "failed"
    assert Execution.objects.get(job=job).reason == "lost"
    ground.plant.wait_ready(role)


def test_without_a_broker_jobs_are_made_claimed_and_ended_as_ever(ground):
    [broker] = ground.plant.processes("valkey")
    process = ground.process()
    ground.robot(slots=2)

    broker.suspend()
    jobs = ground.run(process, 5)
    states = ground.drain()
    broker.resume()

    assert {states[job] for job in jobs} == {"completed"}


def test_after_the_loss_of_all_messages_sweeps_go_on(ground):
    process = ground.process(max_attempts=1)

    ground.plant.kill("valkey")
    (ground.plant.folder / "valkey" / "appendonlydir").rename(ground.plant.folder / "valkey-lost")
    job = lost_lease(ground, process)

    assert ground.drain()[job] == "failed"


@contextmanager
def broker_stopped(plant):
    """Keep the broker from running until the end of the block: each start of it fails."""
    folder, away = plant.folder / "valkey", plant.folder / "valkey-away"
    folder.rename(away)
    plant.kill("valkey")
    try:
        yield
    finally:
        away.rename(folder)


def cancel_many(ground, jobs):
    """Ask for something of which a worker is told; a request that waits for the broker is no answer."""
    answer = ground.post("/jobs/bulk-changes", {"action": "cancel", "filters": {"jobs": jobs}}, timeout=10)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def test_while_the_broker_is_stopped_work_goes_on_and_what_was_asked_for_is_done_once_it_is_back(ground):
    vanished = lost_lease(ground, ground.process(max_attempts=1))
    process = ground.process()

    with broker_stopped(ground.plant):
        unwanted, *jobs = ground.run(process, 4)
        assert ground.operate(unwanted, "cancel").status_code == 200
        ground.robot(slots=2)
        ground.until(lambda: Job.objects.filter(pk__in=jobs, status=JobStatus.COMPLETED).count() == len(jobs))
        change = cancel_many(ground, jobs)
        assert BulkChange.objects.get(pk=change).status == BulkStatus.PENDING
        assert Job.objects.get(pk=vanished).status == JobStatus.RUNNING

    ground.until(lambda: BulkChange.objects.get(pk=change).status == BulkStatus.COMPLETED)
    assert ground.drain() == {
        vanished: "failed",
        unwanted: "cancelled",
        **dict.fromkeys(jobs, "completed"),
    }


def test_triggers_catch_up_by_their_own_rules_on_what_they_missed_while_the_broker_was_stopped(ground):
    process, often = ground.process(), {"configuration": {"every": 5}, "misfire_grace": 2}
    made_up_for = make.trigger(process, misfire="fire_all", misfire_limit=1000, **often)
    stood_for = make.trigger(process, misfire="fire_once", **often)
    ground.robot(slots=4)
    ground.until(lambda: fired(made_up_for, since=made_up_for.created_at))

    with broker_stopped(ground.plant):
        ground.until(lambda: datetime.now(UTC) - newest_due(made_up_for) > timedelta(seconds=25))
        before = newest_due(made_up_for)

    ground.until(lambda: fired(made_up_for, since=before) > 5 and fired(stood_for, since=before))
    Trigger.objects.filter(pk__in=[made_up_for.pk, stood_for.pk]).update(enabled=False)
    assert gaps(made_up_for) == gaps(stood_for) == {timedelta(seconds=5)}
    assert missed(made_up_for, since=before) == 0
    assert missed(stood_for, since=before) >= 3


def newest_due(trigger):
    """The last time that was settled."""
    return Firing.objects.filter(trigger=trigger).latest("due_at").due_at


def fired(trigger, since):
    return Firing.objects.filter(trigger=trigger, due_at__gt=since, status="fired").count()


def missed(trigger, since):
    return Firing.objects.filter(trigger=trigger, due_at__gt=since, code="misfire").count()


def gaps(trigger):
    """The stretches of time between due times that were settled one after the other."""
    due = list(Firing.objects.filter(trigger=trigger).order_by("due_at").values_list("due_at", flat=True))
    return {later - earlier for earlier, later in pairwise(due)}
