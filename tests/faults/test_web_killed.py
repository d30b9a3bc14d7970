"""``web`` dies in the middle of a claim, at each of the moments that matter."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest

from apps.jobs.models import Execution, Job
from tests import make
from tests.faults.proxy import Fault

ANSWER_SECONDS = 10


class Robot:
    """One robot that speaks by hand."""

    def __init__(self, ground, url: str) -> None:
        row, token = make.robot_with_token(of=ground.tenant)
        self.id, self.log = str(row.pk), ground.log
        self.http = httpx.Client(
            base_url=f"{url}/api/v1/runner", headers={"X-Robot-Token": token}, timeout=ANSWER_SECONDS
        )
        opening = {"instance_id": str(uuid.uuid4()), "agent": {"version": "1.0.0"}}
        self.session = self.http.post("/sessions", json=opening).json()["session"]
        self.wish = str(uuid.uuid4())
        self.log.add("wished", robot=self.id, wish=self.wish)

    def sync(self) -> dict[str, Any]:
        """The one sync of this robot, the same each time; raises where it is not answered."""
        answer = self.http.post("/sync", json={"session": self.session, "seq": 1, "wishes": [self.wish]})
        answer.raise_for_status()
        return answer.json()

    def lease(self) -> dict[str, Any]:
        [grant] = self.sync()["grants"]
        return grant["lease"]

    def finish(self, lease: dict[str, Any]) -> dict[str, Any]:
        self.http.post(f"/leases/{lease['lease']}/start", json={"session": self.session})
        report = {"job": lease["job"], "number": lease["number"], "outcome": "completed", "result": 1, "digest": "d"}
        told = self.http.post(f"/leases/{lease['lease']}/finish", json=report).json()
        self.log.add("told", robot=self.id, lease=lease["lease"], digest="d", answer=told["answer"])
        return told


@pytest.fixture
def robot(ground):
    """A robot at the plant's own address."""
    robot = Robot(ground, ground.plant.url)
    yield robot
    robot.http.close()


@pytest.fixture
def robot_behind_proxy(ground, proxy):
    """A robot on a network that fails."""
    robot = Robot(ground, proxy.url)
    yield robot
    robot.http.close()


@contextmanager
def holding(ground, statement: str) -> Iterator[psycopg.Connection]:
    """Hold the locks of a statement from outside, so that who needs them waits."""
    with psycopg.connect(ground.plant.database_url) as connection:
        connection.execute(statement)
        yield connection
        connection.rollback()


def wait_until_blocked(ground, words: str) -> None:
    """Wait until ``web`` waits for a lock in a statement with these words."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
    with psycopg.connect(ground.plant.database_url, autocommit=True) as connection:
        ground.until(lambda: connection.execute(query, [f"%{words}%"]).fetchone()[0])


def sync_in_vain(robot: Robot) -> threading.Thread:
    """Sync in a thread; nobody will answer."""

    def call() -> None:
        with pytest.raises(httpx.HTTPError):
            robot.sync()

    thread = threading.Thread(target=call)
    thread.start()
    return thread


def kill_web(ground, thread: threading.Thread) -> None:
    ground.plant.kill("web")
    thread.join(ANSWER_SECONDS)


def test_before_the_commit_nothing_was_granted_and_the_same_wish_is_granted_then(ground, robot):
    [job] = ground.run(ground.process(lease_ttl=90))
    with holding(ground, "LOCK TABLE events_event IN SHARE MODE"):
        thread = sync_in_vain(robot)
        wait_until_blocked(ground, "granted AS")
        kill_web(ground, thread)
    ground.plant.wait_ready("web")

    lease = robot.lease()

    assert (lease["job"], lease["number"]) == (job, 1)
    assert robot.finish(lease)["answer"] == "accepted"
    assert Job.objects.get(pk=job).attempts_used == 1


def test_in_the_commit_the_lease_is_granted_and_the_same_wish_gets_it(ground, robot):
    process = ground.process(lease_ttl=90)
    [job] = ground.run(process)
    with holding(ground, f"SELECT 1 FROM processes_process WHERE id = '{process.pk}' FOR UPDATE"):
        thread = sync_in_vain(robot)
        wait_until_blocked(ground, "COMMIT")
        kill_web(ground, thread)
    ground.until(lambda: Execution.objects.filter(job=job).exists())
    ground.plant.wait_ready("web")

    lease = robot.lease()

    assert Execution.objects.get(job=job).lease_id == uuid.UUID(lease["lease"])
    assert robot.finish(lease)["answer"] == "accepted"


def test_after_the_commit_a_lost_reply_is_given_again(ground, proxy, robot_behind_proxy):
    robot = robot_behind_proxy
    [job] = ground.run(ground.process())
    proxy.once(Fault.LOSE_REPLY, "/sync")
    with pytest.raises(httpx.HTTPError):
        robot.sync()

    lease = robot.lease()

    assert proxy.seen[Fault.LOSE_REPLY] == 1
    assert Execution.objects.get(job=job).lease_id == uuid.UUID(lease["lease"])
    assert robot.finish(lease)["answer"] == "accepted"


def test_a_report_whose_reply_is_lost_is_known_again(ground, proxy, robot_behind_proxy):
    robot = robot_behind_proxy
    ground.run(ground.process())
    lease = robot.lease()
    proxy.once(Fault.LOSE_REPLY, "/finish")
    with pytest.raises(httpx.HTTPError):
        robot.finish(lease)

    assert robot.finish(lease)["answer"] == "duplicate"


def test_killed_again_and_again_under_load_it_loses_and_doubles_nothing(ground):
    process = ground.process(max_attempts=5, backoff_base=1, backoff_cap=1)
    for _ in range(3):
        ground.robot(slots=2)
    jobs = ground.run(process, 10)

    for _ in range(2):
        jobs += ground.run(process, 5)
        ground.plant.kill("web")
        ground.plant.wait_ready("web")

    assert set(ground.drain().values()) == {"completed"}
    assert ground.log.count("created") == len(jobs)
