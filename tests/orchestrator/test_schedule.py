"""Which ticks there are, and what beat makes of them."""

from __future__ import annotations

import pytest
from celery.exceptions import QueueNotFound
from django.conf import settings
from django_celery_beat.models import PeriodicTask

from apps.console import services
from apps.console.models import Tick
from orchestrator.celery import app
from orchestrator.schedule import Scheduler
from tests import make

SCHEDULE = settings.CELERY_BEAT_SCHEDULE
#: Sweeps and upkeep of the installation: without one of these, work that a wake-up forgot stays undone.
NEEDED = {
    "audit.seal_entries",
    "events.ensure_partitions",
    "jobs.forget_ended_tokens",
    "jobs.sweep_artefacts",
    "jobs.sweep_leases",
    "jobs.sweep_start_deadlines",
    "jobs.work_off_bulk_changes",
    "packages.sweep_files",
    "queues.sweep_files",
    "queues.forget_uploads",
    "queues.sweep_leases",
    "queues.work_off_bulk_changes",
    "requests.delete_expired",
    "retention.prune",
    "robots.forget_old_sessions",
    "triggers.fire_due",
    "triggers.follow_zone_rules",
}


@pytest.fixture(scope="module")
def tasks():
    """The names of the tasks that a worker knows."""
    app.loader.import_default_modules()
    return {name for name in app.tasks if not name.startswith("celery.")}


def test_every_tick_names_a_task_that_a_worker_knows(tasks):
    assert {entry["task"] for entry in SCHEDULE.values()} <= tasks


def test_every_task_is_found_by_a_tick_as_well(tasks):
    """A wake-up can be lost, so that no task may hang on one alone."""
    assert tasks - {entry["task"] for entry in SCHEDULE.values()} == set()


def test_every_task_has_a_place_among_the_queues(tasks):
    assert set(settings.CELERY_TASK_ROUTES) == tasks


def test_every_queue_shows_that_somebody_works_for_it():
    ticks = {entry["kwargs"]["queue"]: entry["options"]["queue"] for entry in SCHEDULE.values() if "kwargs" in entry}

    assert ticks == {name: name for name in settings.QUEUES}


@pytest.mark.parametrize("name", sorted(settings.CELERY_TASK_ROUTES))
def test_a_task_goes_to_its_queue_and_has_its_time(name, tasks):
    place = settings.CELERY_TASK_ROUTES[name]["queue"]

    assert app.amqp.router.route({}, name)["queue"].name == place
    assert place in settings.QUEUES
    assert 0 < app.tasks[name].time_limit < settings.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"]


def test_a_queue_that_nobody_works_for_is_refused():
    with pytest.raises(QueueNotFound):
        app.amqp.router.route({"queue": "nowhere"}, "jobs.sweep_leases")


def test_a_worker_takes_no_more_than_it_can_begin():
    assert (app.conf.task_acks_late, app.conf.worker_prefetch_multiplier) == (True, 1)


def test_nothing_that_is_needed_is_left_out():
    assert set(SCHEDULE) >= NEEDED


@pytest.mark.parametrize("name", sorted(SCHEDULE))
def test_a_tick_counts_whole_seconds_and_grows_old(name):
    entry = SCHEDULE[name]

    assert isinstance(entry["schedule"], int)
    assert entry["schedule"] >= 1
    assert entry["options"]["expire_seconds"] > entry["schedule"]


@pytest.mark.django_db(transaction=True)
class TestInTheDatabase:
    def test_beat_writes_the_schedule_down(self):
        Scheduler(app=app, lazy=False)

        found = {task.name: (task.interval.every, task.interval.period) for task in PeriodicTask.objects.all()}
        assert found == {name: (entry["schedule"], "seconds") for name, entry in SCHEDULE.items()}

    def test_a_tick_in_the_database_grows_old_as_well(self):
        scheduler = Scheduler(app=app, lazy=False)

        expiries = {name: entry.options["expires"] for name, entry in scheduler.schedule.items()}
        assert expiries == {name: entry["options"]["expire_seconds"] for name, entry in SCHEDULE.items()}

    def test_again_it_changes_nothing(self):
        Scheduler(app=app, lazy=False)
        before = list(PeriodicTask.objects.values_list("pk", "name").order_by("pk"))

        Scheduler(app=app, lazy=False)

        assert list(PeriodicTask.objects.values_list("pk", "name").order_by("pk")) == before

    def test_a_tick_that_was_switched_off_stays_off(self):
        Scheduler(app=app, lazy=False)
        change("audit.seal_entries", seconds=None, enabled=False)

        scheduler = Scheduler(app=app, lazy=False)

        assert set(scheduler.schedule) == set(SCHEDULE) - {"audit.seal_entries"}

    def test_a_tick_that_was_changed_stays_changed(self):
        Scheduler(app=app, lazy=False)
        change("jobs.sweep_leases", seconds=17, enabled=True)

        entry = Scheduler(app=app, lazy=False).schedule["jobs.sweep_leases"]

        assert entry.schedule.run_every.total_seconds() == 17
        assert entry.options["expires"] == 34

    def test_a_tick_that_nobody_changed_takes_the_time_of_the_settings(self, monkeypatch):
        Scheduler(app=app, lazy=False)
        entry = SCHEDULE["jobs.sweep_leases"] | {"schedule": 900}
        monkeypatch.setitem(app.conf.beat_schedule, "jobs.sweep_leases", entry)

        Scheduler(app=app, lazy=False)

        assert PeriodicTask.objects.get(name="jobs.sweep_leases").interval.every == 900

    def test_beat_follows_a_change_while_it_runs(self):
        scheduler = Scheduler(app=app, lazy=False)
        assert not scheduler.schedule_changed()

        change("jobs.sweep_leases", seconds=17, enabled=True)

        assert scheduler.schedule_changed()
        assert scheduler.all_as_schedule()["jobs.sweep_leases"].schedule.run_every.total_seconds() == 17

    def test_a_tick_of_an_earlier_release_is_sent_no_more(self):
        Scheduler(app=app, lazy=False)
        old = PeriodicTask.objects.get(name="jobs.sweep_leases")
        PeriodicTask.objects.create(name="gone.task", task="gone.task", interval=old.interval)
        Tick.objects.create(name="gone.task", usual_seconds=5)

        scheduler = Scheduler(app=app, lazy=False)

        assert "gone.task" not in scheduler.all_as_schedule()
        assert not Tick.objects.filter(name="gone.task").exists()


def change(name, **how):
    return services.change_tick(Tick.objects.get(name=name), actor=make.SYSTEM, **how)
