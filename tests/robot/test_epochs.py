"""Epochs: an orchestrator that lost its last commits is told again, and nobody is told another's ticks."""

import uuid

import pytest

from tests.robot.packages import package


@pytest.fixture
def counted(server):
    """A job whose result is known."""
    return server.add_job(server.add_package(package("def main(): return 1")))


def test_a_higher_epoch_has_delivered_results_offered_again(server, start_robot, counted):
    robot = start_robot()
    server.wait_for_end(counted)
    robot.wait_until(lambda: "the orchestrator says accepted" in robot.messages())

    with server.changed:
        server.epoch, server.tick = 2, 0

    robot.wait_until(lambda: "the orchestrator says duplicate" in robot.messages())
    server.wait_until(lambda: server.calls("sync")[-1].body["highest"]["epoch"] == 2)


def test_a_damaged_record_does_not_keep_the_others_from_being_offered_again(server, start_robot, counted, home):
    damaged = server.add_job(server.add_package(package("def main(): return 2")))
    robot = start_robot()
    server.wait_for_end(counted)
    server.wait_for_end(damaged)
    robot.wait_until(lambda: robot.messages().count("the orchestrator says accepted") == 2)
    (home / "spool" / "executions" / damaged.last.id / "result.json").write_bytes(b"rubbish")

    with server.changed:
        server.epoch, server.tick = 2, 0

    robot.wait_until(lambda: "the orchestrator says duplicate" in robot.messages())
    robot.wait_until(lambda: [path.name[:36] for path in home.glob("spool/quarantine/*")] == [damaged.last.id])
    again = server.add_job(server.add_package(package("def main(): return 3")))
    assert server.wait_for_end(again).status == "completed"


def test_results_that_a_killed_robot_had_not_offered_again_are_offered_by_the_next(server, start_robot, counted):
    robot = start_robot()
    server.wait_for_end(counted)
    robot.wait_until(lambda: "the orchestrator says accepted" in robot.messages())
    server.faults.answer("finish", 503, times=1000)
    with server.changed:
        server.epoch, server.tick = 2, 0
    server.wait_until(lambda: len(server.calls("finish")) == 2)
    robot.kill()
    server.faults.clear()

    robot = start_robot()

    robot.wait_until(lambda: "the orchestrator says duplicate" in robot.messages())


def test_another_robot_on_the_same_home_keeps_the_ticks_of_the_former_to_itself(server, start_robot, counted, home):
    server.epoch, server.tick = 7, 10**6
    start_robot(flags=("--until-idle",)).wait()
    server.epoch, server.tick = 1, 5

    start_robot(name="another")

    server.wait_until(lambda: len(server.calls("sessions")) == 2)
    opening = server.calls("sessions")[1].body
    assert opening["highest"] == {"epoch": 0, "tick": 0}
    assert opening["resume_secret"] is None


def test_a_robot_that_became_another_while_it_ran_keeps_the_former_ticks_to_itself(server, start_robot):
    server.epoch, server.tick = 7, 10**6
    start_robot()
    server.wait_until(lambda: server.calls("sync"))

    with server.changed:
        server.robots, server.session, server.epoch, server.tick = uuid.uuid4(), None, 1, 5
        server.tokens.clear()

    server.wait_until(lambda: len(server.calls("sessions")) == 2)
    assert server.calls("sessions")[1].body["highest"] == {"epoch": 0, "tick": 0}
