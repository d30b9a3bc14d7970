"""Which versions of the robot API are spoken, and what becomes of a robot that speaks none of them."""

from __future__ import annotations

import json
import uuid

import pytest

from apps.events.models import Event
from apps.robots import services as robots
from apps.runner import rules
from tests import api, make
from tests.admin.visitors import superuser, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def robot_and_token():
    return make.robot_with_token()


def open_session(client, token, **told):
    body = {"instance_id": str(uuid.uuid4()), "agent": {"version": "9.1.0"}, **told}
    return client.post(
        "/api/v1/runner/sessions", json.dumps(body), content_type="application/json", headers={"X-Robot-Token": token}
    )


@pytest.mark.parametrize("told", [{}, {"protocols": [1]}, {"protocols": [3, 2, 1]}])
def test_a_robot_that_speaks_a_version_of_ours_is_told_which(client, robot_and_token, told):
    robot, token = robot_and_token

    opened = open_session(client, token, **told)

    assert (opened.status_code, opened.json()["protocol"]) == (201, 1)
    assert robot.sessions.get().agent["protocols"] == told.get("protocols", [1])


def test_a_robot_that_is_too_new_is_turned_away_and_shows_why(client, robot_and_token):
    robot, token = robot_and_token

    refused = open_session(client, token, protocols=[4, 5])

    said = "bv-robot 9.1.0 speaks version 4, 5 of the robot API; this orchestrator takes 1. Update the orchestrator"
    assert (refused.status_code, refused.json()["code"]) == (409, "robot_too_new")
    assert refused.json()["detail"].startswith(said)
    assert said in text_of(superuser().open(robot))
    assert Event.objects.get(type="robot.refused").data["reason"] == "robot_too_new"
    assert not robot.sessions.exists()


def test_a_robot_that_is_too_old_is_turned_away(client, robot_and_token, monkeypatch):
    monkeypatch.setattr(rules, "spoken", lambda: range(3, 6))

    refused = open_session(client, robot_and_token[1])

    assert (refused.status_code, refused.json()["code"]) == (409, "robot_too_old")
    assert "takes 3, 4, 5. Update bv-robot on its machine." in refused.json()["detail"]


def test_the_next_good_session_clears_it(client, robot_and_token):
    robot, token = robot_and_token
    open_session(client, token, protocols=[4])
    before = api.root().get(f"robots/{robot.pk}").json()

    open_session(client, token)

    after = api.root().get(f"robots/{robot.pk}").json()
    assert (before["status"], after["status"], after["error"]) == ("error", "available", "")


def test_any_other_error_waits_for_an_operator(client, robot_and_token, system):
    robot, token = robot_and_token
    robots.flag_error(robot, actor=system, error="two machines share one identity")

    open_session(client, token, protocols=[4])
    open_session(client, token)

    robot.refresh_from_db()
    assert robot.error == "two machines share one identity"


def test_a_robot_that_works_is_not_put_aside_by_another_process(client, robot_and_token):
    robot, token = robot_and_token
    open_session(client, token)

    refused = open_session(client, token, protocols=[4])

    robot.refresh_from_db()
    assert (refused.status_code, robot.error) == (409, "")
    assert not Event.objects.filter(type="robot.refused").exists()


def test_a_robot_that_tries_again_and_again_is_told_of_once(client, robot_and_token):
    robot, token = robot_and_token

    refused = [open_session(client, token, protocols=[4]).status_code for _ in range(3)]
    again = open_session(client, token, protocols=[5])

    robot.refresh_from_db()
    assert (refused, again.status_code) == ([409, 409, 409], 409)
    assert "speaks version 5" in robot.error
    assert [event.data["protocols"] for event in Event.objects.filter(type="robot.refused").order_by("seq")] == [
        [4],
        [5],
    ]


@pytest.mark.parametrize("wrong", [[], "1", [1.5], [-1], [True], list(range(65))])
def test_what_is_no_list_of_versions_is_refused_by_name(client, robot_and_token, wrong):
    assert api.fields_refused(open_session(client, robot_and_token[1], protocols=wrong)) == {"protocols"}


def test_a_refusal_of_the_longest_kind_can_be_stored(client, robot_and_token):
    robot, token = robot_and_token

    refused = open_session(client, token, protocols=[10**6 + n for n in range(64)], agent={"version": "9" * 500})

    robot.refresh_from_db()
    assert (refused.status_code, robot.error[:13]) == (409, "turned away: ")


@pytest.mark.parametrize(("newest", "spoken"), [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (5, [3, 4, 5])])
def test_the_two_versions_before_the_newest_go_on_working(newest, spoken):
    assert list(rules.spoken(newest)) == spoken


@pytest.mark.parametrize(
    ("offered", "common"), [([1], 1), ([1, 2, 3], 3), ([3, 4], 3), ([4, 9], None), ([], None), ([0], None)]
)
def test_the_newest_common_version_is_spoken(offered, common):
    assert rules.common(offered, range(1, 4)) == common
