"""E10: a credential opens the doors it was made for, and no others."""

import pytest
from django.test import Client

from apps.robots import services as robots
from tests import make
from tests.api_routes import World, routes

pytestmark = pytest.mark.django_db

#: Beside `runner/sync`, which reads its body before it looks who calls.
OF_ROBOTS = ("runner/heartbeat", "runner/next-job", "runner/sessions", "runner/rotate-token")


def test_e10_no_credential_of_robots_opens_the_api_of_people_and_the_other_way_round():
    world = World()
    robot_token = robots.rotate_token(world.execution.robot, actor=make.SYSTEM)
    _, machine_key = robots.create_machine(world.tenant, actor=make.SYSTEM, name="other")
    api_key = make.api_key(make.user(superuser=True), world.tenant)
    strangers = {
        f"{name} as {header}": Client(headers={header: f"Bearer {text}" if header == "Authorization" else text})
        for name, text in (("robot", robot_token), ("job", world.job_token), ("machine", machine_key))
        for header in ("X-Robot-Token", "X-Api-Key", "Authorization")
    }
    of_people = [one for one in routes() if one.method == "GET"]

    let_in = {
        (name, str(one))
        for name, client in strangers.items()
        for one in of_people
        if client.get(f"/api/v1/{one.address(world.rows)}").status_code != 401
    }
    opened = {
        (name, path)
        for name, text in (("key", api_key), ("machine", machine_key))
        for path in OF_ROBOTS
        if Client(headers={"X-Robot-Token": text, "X-Api-Key": api_key})
        .post(f"/api/v1/{path}", {}, content_type="application/json")
        .status_code
        not in (401, 405)
    }

    assert let_in == set()
    assert opened == set()
