from __future__ import annotations

import pytest

from apps.robots import services as robots
from tests import make
from tests.runner.older import SIGNATURE, Runner, hello


@pytest.fixture
def machine():
    """A machine with its key."""
    return robots.create_machine(make.tenant(), actor=make.SYSTEM, name="host-1")


@pytest.fixture
def runner(machine, client):
    """An older runner with one robot: returns a function that calls as that robot."""
    row, key = machine
    robot = make.robot(row, name="classic-1")
    client.post("/api/runner/connect-machine", hello(key), content_type="application/json")
    listed = client.get("/api/runner/assigned-robots", {"machine_key": key, "machine_signature": SIGNATURE}).json()
    token = next(item["api_token"] for item in listed["robots"] if item["id"] == str(robot.pk))
    return Runner(client, robot, token)
