from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import robots_at_work
from tests.robot.packages import package
from tests.robot.stand_in import MACHINE_KEY, Job, StandIn
from tests.robots_at_work import RunningRobot

# The robot runs from an environment of its own; what is tested without running it is imported from its sources.
sys.path.insert(0, str(robots_at_work.SOURCES))


@pytest.fixture
def server() -> Iterator[StandIn]:
    stand_in = StandIn()
    yield stand_in
    stand_in.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def start_robot(server: StandIn, home: Path) -> Iterator[Callable[..., RunningRobot]]:
    """Start robots; at the end nothing of them is left running."""
    started: list[RunningRobot] = []

    def start(**given: Any) -> RunningRobot:
        robot = robots_at_work.start(**{"home": home, "url": server.url, "key": MACHINE_KEY} | given)
        started.append(robot)
        return robot

    yield start
    for robot in started:
        robot.end_everything()


@pytest.fixture(scope="module")
def shared_robot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StandIn, RunningRobot]]:
    """One server and one robot with two slots for the tests of a file that leave them as they are."""
    stand_in = StandIn(kill_grace=0.5)
    stand_in.slots = 2
    given = {"home": tmp_path_factory.mktemp("robot") / "home", "url": stand_in.url, "key": MACHINE_KEY}
    with robots_at_work.running(**given, environ={"OF_THE_ROBOT": "private"}) as robot:
        yield stand_in, robot
    stand_in.close()


@pytest.fixture
def give(shared_robot: tuple[StandIn, RunningRobot]) -> Callable[..., Job]:
    """Give the shared robot a job made of this source, and return the job at once."""
    server, _ = shared_robot

    def given(source: str, command: str = "main:main", *, files: dict[str, str] | None = None, **lease: Any) -> Job:
        content = package(source, **files or {})
        return server.add_job(server.add_package(content), command, **lease)

    return given


@pytest.fixture
def done(shared_robot: tuple[StandIn, RunningRobot], give: Callable[..., Job]) -> Callable[..., Job]:
    """Give the shared robot a job and wait for its end."""
    server, _ = shared_robot

    def ended(*args: Any, **lease: Any) -> Job:
        return server.wait_for_end(give(*args, **lease))

    return ended
