"""Robots over the API: their status, what they run, and what people do to them."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from apps.robots import services as robots
from apps.robots.models import Robot, RobotSession, RobotToken
from apps.tenancy import services as tenancy
from tests import api, make

pytestmark = pytest.mark.django_db


def status_of(robot) -> tuple[str, str]:
    """The status that a robot shows, and its reason."""
    shown = api.root().get(f"robots/{robot.pk}").json()
    return shown["status"], shown["status_reason"]


def silence(robot) -> None:
    """Let a robot not have been heard of for long."""
    RobotSession.objects.filter(robot=robot).update(last_seen_at=timezone.now() - timedelta(hours=1))


class TestStatus:
    def test_without_a_session_it_is_offline(self):
        assert status_of(make.robot()) == ("offline", "")

    def test_with_one_it_is_available(self):
        robot = make.robot()
        make.session(robot)

        assert status_of(robot) == ("available", "")

    def test_once_silent_it_is_offline_and_shows_when_it_was_heard(self):
        robot = make.robot()
        make.session(robot)
        silence(robot)

        shown = api.root().get(f"robots/{robot.pk}").json()

        assert shown["status"] == "offline"
        assert shown["last_seen_at"] is not None

    def test_with_a_job_it_is_busy_and_shows_what_it_runs(self):
        execution = make.running_job()

        shown = api.root().get(f"robots/{execution.robot_id}").json()

        assert (shown["status"], shown["slots"], shown["slots_used"]) == ("busy", 1, 1)
        (current,) = shown["current_jobs"]
        assert (current["job"], current["execution"]) == (str(execution.job_id), str(execution.pk))
        assert current["process"]["name"] == execution.job.process.name

    def test_in_maintenance_it_says_why(self):
        robot = make.robot()
        make.session(robot)
        robots.start_maintenance(robot, actor=make.SYSTEM, reason="new disk")

        assert status_of(robot) == ("maintenance", "new disk")

    def test_maintenance_ends_by_itself(self):
        robot = make.robot()
        make.session(robot)
        robots.start_maintenance(robot, actor=make.SYSTEM, reason="new disk", until=timezone.now() + timedelta(hours=1))
        Robot.objects.update(maintenance_until=timezone.now() - timedelta(seconds=1))

        assert status_of(robot) == ("available", "")

    def test_put_aside_it_shows_the_error(self):
        robot = make.robot()
        robots.flag_error(robot, actor=make.SYSTEM, error="two machines share one identity")

        assert status_of(robot) == ("error", "two machines share one identity")

    def test_a_robot_that_says_it_cannot_work_shows_that(self):
        robot = make.robot()
        make.session(robot)
        RobotSession.objects.filter(robot=robot).update(accepting=False, problem="spool_unusable")

        assert status_of(robot) == ("error", "spool_unusable")

    def test_what_it_complained_of_before_it_fell_silent_no_longer_counts(self):
        robot = make.robot()
        make.session(robot)
        RobotSession.objects.filter(robot=robot).update(accepting=False, problem="spool_unusable")
        silence(robot)

        assert status_of(robot) == ("offline", "")

    def test_disabled_goes_before_everything(self):
        robot = make.robot()
        robots.flag_error(robot, actor=make.SYSTEM, error="odd")
        robots.disable_robot(robot, actor=make.SYSTEM)

        assert status_of(robot) == ("disabled", "")

    def test_robots_are_found_by_status(self):
        busy = make.running_job().robot
        make.robot(of=busy.tenant)
        available = make.robot(of=busy.tenant)
        make.session(available)
        root = api.root()

        assert api.ids(root.get("robots", {"status": "busy"})) == [str(busy.pk)]
        assert set(api.ids(root.get("robots", {"status": ["busy", "available"]}))) == {str(busy.pk), str(available.pk)}


class TestChanging:
    def test_a_robot_is_made_with_its_token_which_is_shown_once(self):
        machine = make.machine()
        root = api.root()

        made = root.post("robots", {"name": "r-1", "machine": machine.pk, "slots": 3, "labels": ["gpu"]}).json()

        read = root.get(f"robots/{made['id']}").json()
        assert made["robot_token"].startswith("bvr_")
        assert "robot_token" not in read
        assert (read["slots"], read["labels"], read["machine"]["name"]) == (3, ["gpu"], machine.name)
        assert [folder["name"] for folder in read["folders"]] == ["Shared"]

    def test_what_a_change_leaves_out_stays(self):
        robot = make.robot(labels=["gpu"], slots=2)

        changed = api.root().patch(f"robots/{robot.pk}", {"name": "renamed"}).json()

        assert (changed["name"], changed["labels"], changed["slots"]) == ("renamed", ["gpu"], 2)
        assert [folder["name"] for folder in changed["folders"]] == ["Shared"]

    def test_a_robot_works_for_the_folders_it_is_given(self):
        robot = make.robot()
        folder = tenancy.create_folder(robot.tenant, actor=make.SYSTEM, name="Finance")

        changed = api.root().patch(f"robots/{robot.pk}", {"folders": [folder.pk]}).json()

        assert [one["name"] for one in changed["folders"]] == ["Finance"]

    def test_folders_that_somebody_may_not_see_stay_with_the_robot(self):
        robot = make.robot()
        mine = tenancy.create_folder(robot.tenant, actor=make.SYSTEM, name="Mine")
        hidden = tenancy.create_folder(robot.tenant, actor=make.SYSTEM, name="Hidden")
        robots.update_robot(robot, actor=make.SYSTEM, folders=[mine, hidden])
        permissions = ("robots.change_robot", "robots.view_robot", "tenancy.view_folder")
        somebody = api.Caller(make.user(*permissions, inside=mine))

        changed = somebody.patch(f"robots/{robot.pk}", {"folders": [mine.pk]}).json()

        assert [one["name"] for one in changed["folders"]] == ["Mine"]
        assert set(robot.folders.values_list("name", flat=True)) == {"Mine", "Hidden"}

    def test_jobs_that_somebody_may_not_see_are_not_shown(self):
        execution = make.running_job()
        somebody = api.Caller(make.user("robots.view_robot", inside=execution.tenant))

        shown = somebody.get(f"robots/{execution.robot_id}").json()

        assert (shown["slots_used"], shown["current_jobs"]) == (1, [])

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [({"slots": 0}, "slots"), ({"slots": 65}, "slots"), ({"machine": str(uuid.uuid4())}, "machine")],
    )
    def test_what_cannot_be_is_refused_by_name(self, wrong, field):
        refused = api.root().post("robots", {"name": "r", "machine": str(make.machine().pk), **wrong})

        assert api.fields_refused(refused) == {field}

    def test_a_robot_stays_on_its_machine(self):
        refused = api.root().patch(f"robots/{make.robot().pk}", {"machine": str(make.machine().pk)})

        assert api.fields_refused(refused) == {"machine"}

    def test_it_is_drained_and_filled_again(self):
        robot = make.robot()
        root = api.root()

        assert root.post(f"robots/{robot.pk}/drain").json()["draining"] is True
        assert root.post(f"robots/{robot.pk}/undrain").json()["draining"] is False

    def test_maintenance_begins_with_a_reason_and_ends(self):
        robot = make.robot()
        make.session(robot)
        root = api.root()
        until = (timezone.now() + timedelta(hours=2)).isoformat()

        without = root.post(f"robots/{robot.pk}/start-maintenance", {})
        begun = root.post(f"robots/{robot.pk}/start-maintenance", {"reason": "new disk", "until": until}).json()
        ended = root.post(f"robots/{robot.pk}/end-maintenance").json()

        assert api.fields_refused(without) == {"reason"}
        assert (begun["status"], begun["status_reason"]) == ("maintenance", "new disk")
        assert begun["maintenance_until"] is not None
        assert (ended["status"], ended["maintenance_until"]) == ("available", None)

    def test_maintenance_cannot_have_ended_before_it_begins(self):
        body = {"reason": "new disk", "until": "2020-01-01T00:00:00Z"}

        refused = api.root().post(f"robots/{make.robot().pk}/start-maintenance", body)

        assert api.fields_refused(refused) == {"until"}

    def test_an_error_is_cleared(self):
        robot = make.robot()
        robots.flag_error(robot, actor=make.SYSTEM, error="odd")

        cleared = api.root().post(f"robots/{robot.pk}/clear-error").json()

        assert (cleared["status"], cleared["error"]) == ("offline", "")

    def test_a_disabled_robot_is_enabled(self):
        robot = make.robot()
        robots.disable_robot(robot, actor=make.SYSTEM)

        assert api.root().post(f"robots/{robot.pk}/enable").json()["enabled"] is True

    def test_a_token_is_rotated_and_shown_once(self):
        robot, old = make.robot_with_token()

        rotated = api.root().post(f"robots/{robot.pk}/rotate-token").json()

        assert rotated["robot_token"].startswith("bvr_")
        assert rotated["robot_token"] != old

    def test_a_robot_that_runs_something_stays(self):
        execution = make.running_job()
        root = api.root()

        refused = root.delete(f"robots/{execution.robot_id}")
        root.post(f"jobs/{execution.job_id}/kill")
        deleted = root.delete(f"robots/{execution.robot_id}")

        assert (refused.status_code, deleted.status_code) == (409, 204)


def test_robots_are_found_by_machine_folder_and_label():
    wanted = make.robot(make.machine(labels=["gpu"]))
    make.robot(of=wanted.tenant)
    root = api.root()

    assert api.ids(root.get("robots", {"machine": wanted.machine_id})) == [str(wanted.pk)]
    assert api.ids(root.get("robots", {"label": "gpu"})) == [str(wanted.pk)]
    assert str(wanted.pk) in api.ids(root.get("robots", {"folder": make.folder(wanted.tenant).pk}))


def test_lists_take_as_many_queries_for_five_rows_as_for_one(django_assert_num_queries):
    process = make.process()
    for _ in range(5):
        make.running_job(process)
    root = api.root()

    with django_assert_num_queries(5):
        root.get("robots", {"page_size": 1})
    with django_assert_num_queries(5):
        root.get("robots", {"page_size": 5})


def test_a_robot_shows_until_when_its_own_token_works(system):
    robot, _ = make.robot_with_token()
    soon = timezone.now() + timedelta(days=1)
    RobotToken.objects.filter(robot=robot).update(expires_at=soon)

    before = api.root().get(f"robots/{robot.pk}").json()["token_expires_at"]
    robots.rotate_token(robot, actor=system)
    after = api.root().get(f"robots/{robot.pk}").json()["token_expires_at"]

    assert datetime.fromisoformat(before) == soon
    assert datetime.fromisoformat(after) > soon + timedelta(days=80)


def test_a_robot_that_has_only_the_token_of_its_machines_key_shows_no_end(system):
    machine, key = robots.create_machine(make.tenant(), actor=system, name="host")
    robot, _ = robots.register_robot(machine, actor=system, key=key, name="enrolled")

    assert api.root().get(f"robots/{robot.pk}").json()["token_expires_at"] is None
