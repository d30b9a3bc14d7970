"""What people do over the API to machines and robots that also settles what those run."""

from __future__ import annotations

import pytest

from apps.jobs.models import ExecutionStatus
from apps.robots import services as robots
from tests import api, make

pytestmark = pytest.mark.django_db


def test_a_new_key_ends_the_old_one_and_the_sessions_of_its_robots():
    execution = make.running_job()
    machine = execution.robot.machine
    root = api.root()
    before = root.get(f"machines/{machine.pk}").json()["key"]["shown_as"]

    made = root.post(f"machines/{machine.pk}/regenerate-key")

    key = made.json()["machine_key"]
    execution.refresh_from_db()
    assert made.status_code == 200
    assert robots.machine_of_key(key, actor=make.SYSTEM).pk == machine.pk
    assert root.get(f"machines/{machine.pk}").json()["key"]["shown_as"] != before
    assert execution.status == ExecutionStatus.LOST


def test_a_new_key_is_not_shown_twice():
    machine = make.machine()
    root = api.root()
    root.post(f"machines/{machine.pk}/regenerate-key", **{"Idempotency-Key": "one"})

    again = root.post(f"machines/{machine.pk}/regenerate-key", **{"Idempotency-Key": "one"})

    assert (again.status_code, again.json()["code"]) == (409, "secret_shown_once")


def test_a_disabled_robot_loses_what_it_runs():
    execution = make.running_job()

    shown = api.root().post(f"robots/{execution.robot_id}/disable", {"reason": "stolen"}).json()

    execution.refresh_from_db()
    assert (shown["status"], shown["slots_used"], shown["current_jobs"]) == ("disabled", 0, [])
    assert execution.status == ExecutionStatus.LOST


def test_who_may_only_look_does_neither():
    robot = make.robot()
    viewer = api.Caller(make.user("robots.view_robot", "robots.view_machine", inside=robot.tenant))

    key = viewer.post(f"machines/{robot.machine_id}/regenerate-key")
    switch = viewer.post(f"robots/{robot.pk}/disable")

    assert (key.status_code, switch.status_code) == (403, 403)
    assert "robots.enrol_machine" in key.json()["detail"]
    assert "robots.change_robot" in switch.json()["detail"]
