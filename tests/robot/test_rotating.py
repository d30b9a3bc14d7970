"""A robot takes a fresh token in good time, and is never without a good one, whatever dies meanwhile."""

import dataclasses
import json

import pytest
from bv_robot import config, rotating
from bv_robot.config import Home, Identity

from tests.robot.interfering import dying
from tests.robot.packages import package

DAY = 24 * 3600.0
STEPS = {
    "before the call": ("before", "bv_robot.api:rotate_token", 1, ""),
    "after the answer": ("after", "bv_robot.api:rotate_token", 1, ""),
    "before it is stored": ("before", "bv_robot.config:write_identity", 2, ""),
    "before it gets its name": ("before", "pathlib:Path.replace", 2, "identity.json"),
    "once it has its name": ("after", "pathlib:Path.replace", 2, "identity.json"),
    "after it was stored": ("after", "bv_robot.config:write_identity", 2, ""),
    "before it is used": ("before", "bv_robot.desk:Desk.sign_in", 2, ""),
    "once it is used": ("after", "bv_robot.desk:Desk.sign_in", 2, ""),
}


@pytest.fixture
def enrolled(server, start_robot):
    """A home whose robot has worked with its first token; its key is known no more."""
    start_robot(flags=("--until-idle",)).wait()
    server.lifetime_of_fresh_tokens = 90 * DAY
    return dict(server.tokens)


def stored_token(home):
    return json.loads((home / "identity.json").read_text())["api_token"]


def ends_soon(server, home):
    """The token that was once good for 90 days is good for an hour more."""
    server.token_expires_in = 3600.0
    store(home, token_lifetime=90 * DAY)


def store(home, **changes):
    place = Home(home)
    config.write_identity(place, dataclasses.replace(config.read_identity(place), **changes))


def works(server, start_robot):
    job = server.add_job(server.add_package(package("def main(): return 1")))
    start_robot(url=None, key=None)
    server.wait_for_end(job)
    return job.status == "completed"


def test_a_token_that_ends_soon_is_replaced_and_the_next_start_uses_the_fresh_one(server, start_robot, home, enrolled):
    ends_soon(server, home)

    robot = start_robot(url=None, key=None)

    server.wait_until(lambda: server.calls("rotate"))
    robot.wait_until(lambda: "replaced by a fresh one" in robot.messages())
    server.former_tokens.clear()
    robot.stop()
    assert works(server, start_robot)
    assert stored_token(home) in server.tokens.values()
    assert len(server.calls("rotate")) == 1
    assert "bvr_" not in robot.messages()


def test_a_token_that_is_good_for_long_is_left_alone(server, start_robot, enrolled):
    server.token_expires_in = 8 * DAY
    start_robot(url=None, key=None)

    server.wait_until(lambda: len(server.calls("sync")) > 4)

    assert server.calls("rotate") == []


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_robot_killed_while_it_rotates_finds_a_good_token(server, start_robot, home, tmp_path, enrolled, step):
    when, at, call, about = step
    ends_soon(server, home)

    robot = start_robot(url=None, key=None, environ=dying(tmp_path / "dying", when, at, call=call, about=about))

    assert robot.wait() == -9
    server.token_expires_in = None
    assert stored_token(home) in {*server.tokens.values(), *server.former_tokens}
    assert works(server, start_robot)


def test_where_the_identity_cannot_be_stored_no_token_is_asked_for(server, start_robot, home, enrolled):
    ends_soon(server, home)

    start_robot(url=None, key=None, largest_file=64)

    told = "token_not_stored"
    server.wait_until(lambda: told in [call.body["state"]["problem"] for call in server.calls("sync")])
    assert server.calls("rotate") == []


def test_a_server_that_forgot_the_fresh_token_is_spoken_to_with_the_former(server, start_robot, home, enrolled):
    former = stored_token(home)
    store(home, api_token="bvr_lost", former_token=former)

    assert works(server, start_robot)


def test_a_robot_enrolled_again_by_hand_goes_on_without_a_restart(server, start_robot, home, enrolled):
    robot = start_robot(url=None, key=None)
    server.tokens.update(dict.fromkeys(server.tokens, "bvr_by_hand"))
    robot.wait_until(lambda: "Enrol it again" in robot.messages())

    store(home, api_token="bvr_by_hand")

    job = server.add_job(server.add_package(package("def main(): return 1")))
    server.wait_for_end(job)
    assert job.status == "completed"


@pytest.mark.parametrize(
    ("lifetime", "left", "is_rotated"),
    [
        (90 * DAY, 8 * DAY, False), (90 * DAY, 6 * DAY, True), (DAY, DAY / 2, False), (DAY, DAY / 5, True),
        (None, 6 * DAY, False), (DAY, None, False),
    ],
)  # fmt: skip
def test_a_week_before_its_end_or_in_its_last_quarter_a_token_is_replaced(
    home, monkeypatch, lifetime, left, is_rotated
):
    rotated = []
    monkeypatch.setattr(rotating.Rotating, "_rotate", lambda self: rotated.append(True))
    identity = Identity("u", "r", "m", "n", "t", "s", token_lifetime=lifetime)
    Home(home).make()

    rotating.Rotating(DeskOf(Home(home), identity)).consider(left)

    assert bool(rotated) is is_rotated


class DeskOf:
    def __init__(self, home, identity):
        self.home, self.identity, self.is_identity_stored = home, identity, True
