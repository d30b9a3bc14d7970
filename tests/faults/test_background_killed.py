"""Worker, beat and broker die or hang: robots go on, and what time brings about comes a little later."""

from __future__ import annotations

import pytest

from apps.jobs.models import Execution


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
