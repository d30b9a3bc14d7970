"""Robots wait at the live role and are woken by what concerns them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import uuid4

import httpx
import pytest
from django.core.signing import TimestampSigner
from django.db import connection

from apps.jobs import services as jobs
from apps.robots import services as robots
from apps.robots.models import RobotSession
from apps.runner import services as runner
from tests import make, roles

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 15.0


@pytest.fixture
def live(tmp_path, settings, transactional_db):
    """The address of a real live role that listens on this test's database."""
    with roles.running("live", health="/health", log=tmp_path / "live.log", WAIT_MAX="4") as (url, _):
        settings.LIVE_URL = url
        wait_until_listening(url)
        yield url


@pytest.fixture
def pool():
    """Threads for what waits."""
    with ThreadPoolExecutor(4) as threads:
        yield threads


def wait_until_listening(url: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while httpx.get(f"{url}/health").json()["status"] != "ok":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def wait_until_waiting(url: str, count: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while httpx.get(f"{url}/health").json()["waiting"] != count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ticket_of(robot, token: str) -> str:
    """Sync once with nothing to do and return the ticket."""
    session = make.session(robot)
    presence = runner.Presence(session=session.pk, seq=1, body_digest="x", wishes=[uuid4()])
    ticket = runner.sync_robot(token, presence=presence).ticket
    assert ticket is not None
    return ticket


def wait(url: str, ticket: str) -> bool:
    answer = httpx.get(f"{url}/wait", headers={"X-Wait-Ticket": ticket}, timeout=PATIENCE)
    assert answer.status_code == 200
    return answer.json()["wake"]


def test_a_waiting_robot_is_woken_when_work_comes(live, pool):
    robot, token = make.robot_with_token()
    process = make.process(make.folder(robot.tenant))
    waiting = pool.submit(wait, live, ticket_of(robot, token))
    wait_until_waiting(live, 1)

    make.job(process)

    assert waiting.result(PATIENCE) is True


def test_work_of_another_tenant_wakes_nobody(live, pool):
    robot, token = make.robot_with_token()
    elsewhere = make.process()
    waiting = pool.submit(wait, live, ticket_of(robot, token))
    wait_until_waiting(live, 1)

    make.job(elsewhere)

    assert waiting.result(PATIENCE) is False


def test_work_that_came_between_ticket_and_wait_is_not_missed(live):
    robot, token = make.robot_with_token()
    process = make.process(make.folder(robot.tenant))
    ticket = ticket_of(robot, token)

    make.job(process)

    assert wait(live, ticket) is True


def test_a_busy_robot_is_woken_by_a_cancel(live, pool, system):
    robot, token = make.robot_with_token(slots=2)
    job = make.job(make.process(make.folder(robot.tenant)))
    ticket = ticket_of_busy(robot, token)
    waiting = pool.submit(wait, live, ticket)
    wait_until_waiting(live, 1)

    jobs.cancel_job(job, actor=system)

    assert waiting.result(PATIENCE) is True


def test_a_busy_robot_is_woken_once_somebody_reads_its_log(live, pool, system):
    robot, token = make.robot_with_token(slots=2)
    job = make.job(make.process(make.folder(robot.tenant)))
    ticket = ticket_of_busy(robot, token)
    waiting = pool.submit(wait, live, ticket)
    wait_until_waiting(live, 1)

    jobs.watch_log(job.executions.get(), actor=system)

    assert waiting.result(PATIENCE) is True


@pytest.mark.parametrize(
    "change",
    [
        robots.drain_robot,
        partial(robots.start_maintenance, reason="new disk"),
        partial(robots.update_robot, slots=2),
        partial(robots.update_robot, labels=["gpu"]),
        partial(robots.update_robot, pushed_settings={"log_every": 5}),
    ],
    ids=["drain", "maintenance", "slots", "labels", "settings"],
)
def test_a_waiting_robot_is_woken_by_what_is_changed_about_it(live, pool, system, change):
    robot, token = make.robot_with_token()
    waiting = pool.submit(wait, live, ticket_of(robot, token))
    wait_until_waiting(live, 1)

    change(robot, actor=system)

    assert waiting.result(PATIENCE) is True


def ticket_of_busy(robot, token: str) -> str:
    """Take a job, then sync while holding it, and return the ticket."""
    session = make.session(robot)
    execution = make.claimed(session)
    presence = runner.Presence(
        session=session.pk, seq=1, body_digest="x", leases=[runner.Renewal(lease=execution.lease_id)]
    )
    ticket = runner.sync_robot(token, presence=presence).ticket
    assert ticket is not None
    return ticket


def test_a_ticket_that_is_not_ours_is_refused(live):
    forged = TimestampSigner(key="another", salt=runner.TICKET_SALT).sign_object({"robot": "x"})

    answer = httpx.get(f"{live}/wait", headers={"X-Wait-Ticket": forged})

    assert (answer.status_code, answer.json()["code"]) == (401, "bad_ticket")


def test_nothing_is_announced_while_nobody_waits(django_capture_on_commit_callbacks):
    robot = make.robot()
    RobotSession.objects.filter(robot=robot).update(waits_until=None)
    with connection.cursor() as cursor:
        cursor.execute("LISTEN bv_work")

    make.job(make.process(make.folder(robot.tenant)))

    assert list(connection.connection.notifies(timeout=0.2)) == []
