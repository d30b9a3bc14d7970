"""A real worker and a real beat on a real broker: what is asked for is done, and what ticks ticks."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import contextmanager
from functools import partial

import httpx
import psycopg
import pytest
from celery import current_app
from django.conf import settings
from django.db import connection

from apps.console.models import RoleHeartbeat
from apps.console.rules import TICK
from apps.jobs.models import BulkChange, BulkStatus, Job, JobStatus, Plane
from apps.tenancy.models import Tenant
from orchestrator.embedded.throwaway import throwaway
from tests import make, roles
from tests.orchestrator.processes import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def address():
    """The address of a broker of these tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CELERY_BROKER_URL", raising=False)
        patch.delenv("CELERY_BROKER_URL_FILE", raising=False)
        patch.setenv("DATABASE_URL", "postgresql://not.asked.for/bv")
        with throwaway(lambda line: None) as found:
            yield found["CELERY_BROKER_URL"]


@pytest.fixture
def sending(address):
    """Let this process send to the broker of these tests."""
    before = current_app.conf.broker_url
    current_app.conf.broker_url = current_app.conf.broker_write_url = address
    with current_app.connection_for_write() as broker:
        yield partial(current_app.send_task, connection=broker)
    current_app.conf.broker_url = current_app.conf.broker_write_url = before


@contextmanager
def background(role, address, tmp_path, *arguments, **more):
    """Run the worker or beat on this test's database until the end of the block."""
    sign, log = tmp_path / f"{role}.ready", tmp_path / f"{role}.log"
    command = [sys.executable, str(roles.CHECKOUT / "manage.py"), role, "--ready-file", str(sign), *arguments]
    environment = roles.environment(CELERY_BROKER_URL=address, LOG_LEVEL="INFO", LOG_FORMAT="json", **more)
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=roles.CHECKOUT, env=environment, stdout=output, stderr=output)
    try:
        eventually(lambda: sign.exists() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield log
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@contextmanager
def web(address, tmp_path):
    """Run the web role, and yield a client of a superuser's there."""
    log = tmp_path / "web.log"
    with roles.running("web", health="/health/live", log=log, CELERY_BROKER_URL=address) as (url, _):
        key = make.api_key(make.user(superuser=True), make.tenant())
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=30) as client:
            yield client


def waiting_jobs():
    """Three jobs nobody has begun, in a tenant whose superuser asks for them to be cancelled."""
    process = make.process(make.folder(Tenant.objects.get()))
    return [str(make.job(process).pk) for _ in range(3)]


def cancel(client, jobs):
    answer = client.post("/jobs/bulk-changes", json={"action": "cancel", "filters": {"jobs": jobs}})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def states_of(jobs):
    return set(Job.objects.filter(pk__in=jobs).values_list("status", flat=True))


def is_done(change):
    return BulkChange.objects.get(pk=change).status == BulkStatus.COMPLETED


def test_what_a_request_asks_for_is_done_by_a_worker_without_waiting_for_a_tick(address, tmp_path):
    with background("worker", address, tmp_path) as log, web(address, tmp_path) as client:
        jobs = waiting_jobs()
        change = cancel(client, jobs)

        eventually(lambda: is_done(change))

    assert states_of(jobs) == {JobStatus.CANCELLED}
    assert "succeeded" not in log.read_text()


def test_what_was_asked_for_while_no_worker_ran_is_done_when_one_comes(address, tmp_path):
    with web(address, tmp_path) as client:
        jobs = waiting_jobs()
        change = cancel(client, jobs)
    assert states_of(jobs) == {JobStatus.PENDING}

    with background("worker", address, tmp_path):
        eventually(lambda: is_done(change))

    assert states_of(jobs) == {JobStatus.CANCELLED}


def test_a_broker_that_is_away_costs_a_request_nothing(address, tmp_path):
    with web(f"redis+socket://{tmp_path}/nobody.sock", tmp_path) as client:
        jobs = waiting_jobs()
        change = cancel(client, jobs)

    assert "wake_up_not_sent" in (tmp_path / "web.log").read_text()
    assert BulkChange.objects.get(pk=change).status == BulkStatus.PENDING


def test_beat_ticks_and_a_worker_takes_it_up(address, tmp_path):
    with (
        background("worker", address, tmp_path, OUTAGE_AFTER="3600"),  # No web process beats here.
        background("beat", address, tmp_path, SWEEP_EVERY="1") as log,
    ):
        first = eventually(lambda: Plane.objects.get().swept_at)
        eventually(lambda: Plane.objects.get().swept_at > first)

    assert "Sending due task" not in log.read_text()


@contextmanager
def table_locked(name):
    """Hold a lock for which whoever wants to read the table must wait, until the end of the block."""
    with psycopg.connect(**connection.get_connection_params()) as locking:
        locking.execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
        yield


def how_many_wait_for(name):
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = %s::regclass", [name])
        return cursor.fetchone()[0]


def queues_at_work():
    return {role.partition(":")[2] for role in RoleHeartbeat.objects.values_list("role", flat=True)} - {""}


@pytest.mark.parametrize("blocked", settings.QUEUES)
def test_a_queue_whose_work_is_stuck_holds_up_no_other(address, tmp_path, sending, blocked):
    others = set(settings.QUEUES) - {blocked}
    with background("worker", address, tmp_path):
        with table_locked("queues_itemlease"):
            for _ in range(6):
                sending("queues.sweep_leases", queue=blocked)
            eventually(lambda: how_many_wait_for("queues_itemlease") == 2)  # As many as the queue has threads.

            for queue in settings.QUEUES:
                sending(TICK, kwargs={"queue": queue}, queue=queue)
            eventually(lambda: queues_at_work() >= others)
            assert queues_at_work() == others

        eventually(lambda: queues_at_work() == set(settings.QUEUES))


def test_a_worker_takes_tasks_of_the_queues_it_is_for_and_of_no_other(address, tmp_path, sending):
    for queue in settings.QUEUES:
        sending(TICK, kwargs={"queue": queue}, queue=queue)
    with background("worker", address, tmp_path, "--queues", "triggers,deliveries"):
        eventually(lambda: queues_at_work() >= {"triggers", "deliveries"})
        assert queues_at_work() == {"triggers", "deliveries"}

    with background("worker", address, tmp_path):
        eventually(lambda: queues_at_work() == set(settings.QUEUES))
