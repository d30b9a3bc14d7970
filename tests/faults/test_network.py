"""Networks that double, lose, delay and withhold."""

from __future__ import annotations

import random

import pytest

from tests.faults.proxy import Fault

ROBOTS, JOBS = 3, 12


def work_through(ground, proxy, *, robots: int = ROBOTS, jobs: int = JOBS) -> dict[str, str]:
    """Have robots and callers behind the proxy do jobs until all are done."""
    process = ground.process(max_attempts=20, backoff_base=1, backoff_cap=1)
    for _ in range(robots):
        ground.robot(url=proxy.url, slots=2)
    ground.run(process, jobs, url=proxy.url)
    return ground.drain()


@pytest.mark.parametrize("fault", [Fault.TWICE, Fault.TWICE_AT_ONCE], ids=["one after the other", "at once"])
def test_every_request_arrives_twice(ground, proxy, fault):
    proxy.decide = lambda request: fault

    states = work_through(ground, proxy)

    assert list(states.values()) == ["completed"] * JOBS
    assert proxy.seen[fault] > JOBS


@pytest.mark.parametrize("fault", [Fault.TWICE, Fault.TWICE_AT_ONCE], ids=["one after the other", "at once"])
def test_every_request_of_a_real_robot_arrives_twice(flow, counted, proxy, fault):
    proxy.decide = lambda request: fault
    flow.robot(url=proxy.url, slots=2)
    counted.go.touch()

    jobs = [counted.start() for _ in range(6)]

    assert {flow.wait(job)["status"] for job in jobs} == {"completed"}
    assert len(set(counted.begun())) == len(counted.begun()) == 6
    assert proxy.seen[fault] > 6


def test_a_fifth_of_all_replies_is_lost(ground, proxy):
    chance = random.Random(20)
    proxy.decide = lambda request: Fault.LOSE_REPLY if chance.random() < 0.2 else Fault.NONE

    states = work_through(ground, proxy)

    assert list(states.values()) == ["completed"] * JOBS
    assert proxy.seen[Fault.LOSE_REPLY] > 0


def test_requests_are_lost_delayed_doubled_and_answered_into_nothing(ground, proxy):
    chance = random.Random(7)
    proxy.delay = 4.0  # beyond what robots wait for an answer
    proxy.decide = lambda request: chance.choices(list(Fault), [70, 8, 8, 8, 4, 2])[0]

    states = work_through(ground, proxy)

    assert list(states.values()) == ["completed"] * JOBS


def test_a_connection_that_hangs_without_closing_is_given_up_and_the_work_goes_on(ground, proxy):
    process = ground.process(max_attempts=20, backoff_base=1, backoff_cap=1)
    robot = ground.robot(url=proxy.url, work=lambda: 0.5)
    jobs = ground.run(process, 3)
    ground.until(lambda: ground.log.count("ran", robot=robot.id))

    proxy.freeze()
    jobs += ground.run(process, 2)
    proxy.thaw()

    assert set(ground.drain().values()) == {"completed"}
    assert ground.log.count("created") == len(jobs)


def test_a_robot_cut_off_for_longer_than_its_lease_loses_it_and_its_late_end_is_kept(ground, proxy):
    process = ground.process(max_attempts=3, backoff_base=1, backoff_cap=1)
    cut_off = ground.robot(url=proxy.url, work=lambda: 1.0)
    [job] = ground.run(process)
    ground.until(lambda: ground.log.count("ran", robot=cut_off.id))

    proxy.freeze()
    other = ground.robot()
    ground.until(lambda: ground.log.count("ran", robot=other.id))
    proxy.thaw()

    assert ground.drain()[job] == "completed"
    assert ground.log.count("told", robot=cut_off.id, answer="late") == 1
