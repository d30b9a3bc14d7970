"""What a robot does about itself: it rotates its token, leaves, and asks what it could be asked to run."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client

from apps.audit.models import AuditEntry
from apps.core.tokens import ROTATION_OVERLAP
from apps.jobs.models import Execution
from apps.packages import services as packages
from apps.processes import services as processes
from apps.robots import services as robots
from apps.robots.models import Machine, Robot, RobotToken
from tests import api, make
from tests.admin.visitors import list_of, page_of, superuser, text_of
from tests.robots.test_enrolling import enrol

pytestmark = pytest.mark.django_db


def call(token, path, body=None):
    sent = json.dumps(body or {}, default=str)
    headers = {"X-Robot-Token": token}
    return Client().post(f"/api/v1/runner/{path}", sent, content_type="application/json", headers=headers)


def ask(token, path, **query):
    return Client().get(f"/api/v1/runner/{path}", query, headers={"X-Robot-Token": token})


def at_work(**fields):
    """A robot with its token, and the execution that it runs."""
    process = make.process(**fields)
    job = make.job(process)
    robot, token = make.robot_with_token(of=process.tenant)
    return robot, token, make.claimed(make.session(robot)), job


class TestRotating:
    def test_once_the_new_token_is_used_the_old_one_works_ten_minutes_longer(self):
        robot, old = make.robot_with_token()

        new = call(old, "rotate-token").json()["api_token"]
        assert ask(new, "packages").status_code == 200

        assert [RobotToken.matching(token).robot for token in (old, new)] == [robot] * 2
        RobotToken.objects.filter(revoked_at__isnull=False).update(revoked_at=F("revoked_at") - ROTATION_OVERLAP)
        assert (call(old, "rotate-token").status_code, RobotToken.matching(new).robot) == (401, robot)

    def test_a_robot_that_lost_the_answer_has_a_week_to_ask_again(self):
        _, old = make.robot_with_token()
        lost = call(old, "rotate-token").json()["api_token"]
        days = F("revoked_at") - timedelta(days=7) + ROTATION_OVERLAP
        RobotToken.objects.filter(revoked_at__isnull=False).update(revoked_at=days)

        found = call(old, "rotate-token")

        assert (found.status_code, found.json()["api_token"]) == (200, lost)

    def test_what_an_operator_rotates_ends_in_ten_minutes_whatever_was_used(self, system):
        robot, old = make.robot_with_token()
        unused = call(old, "rotate-token").json()["api_token"]

        robots.rotate_token(robot, actor=system)

        RobotToken.objects.filter(revoked_at__isnull=False).update(revoked_at=F("revoked_at") - ROTATION_OVERLAP)
        assert [RobotToken.matching(token) for token in (old, unused)] == [None, None]

    def test_a_new_key_for_the_machine_ends_also_the_token_before(self, system):
        machine, key = robots.create_machine(make.tenant(), actor=system, name="m")
        _, old = robots.register_robot(machine, actor=system, key=key, name="r")
        call(old, "rotate-token")

        robots.replace_key(machine, actor=system)

        assert RobotToken.matching(old) is None

    def test_the_same_call_again_gives_the_same_token_for_an_answer_may_be_lost(self):
        _, old = make.robot_with_token()

        answers = [call(old, "rotate-token").json()["api_token"] for _ in range(2)]

        assert len(set(answers)) == 1
        assert RobotToken.objects.count() == 2

    @pytest.mark.django_db(transaction=True)
    def test_many_calls_at_once_give_one_token(self):
        _, old = make.robot_with_token()

        def one(_):
            try:
                return call(old, "rotate-token").json()["api_token"]
            finally:
                connection.close()

        with ThreadPoolExecutor(4) as pool:
            answers = set(pool.map(one, range(4)))

        assert (len(answers), RobotToken.objects.count()) == (1, 2)

    def test_whoever_stole_a_token_cannot_save_it_from_an_operator(self, system):
        robot, stolen = make.robot_with_token()
        robots.rotate_token(robot, actor=system)

        refused = call(stolen, "rotate-token")

        assert (refused.status_code, refused.json()["code"]) == (409, "token_rotated")

    def test_a_token_from_a_key_that_never_ends_gives_one_that_never_ends(self):
        machine, key = robots.create_machine(make.tenant(), actor=make.SYSTEM, name="m")
        robot, old = robots.register_robot(machine, actor=make.SYSTEM, key=key, name="r")

        rotated = call(old, "rotate-token").json()

        assert rotated["expires_in"] is None
        robots.replace_key(machine, actor=make.SYSTEM)
        assert RobotToken.matching(rotated["api_token"]) is None  # It came from the key, so it ends with it.
        assert robot.machine == machine

    def test_after_a_rotation_the_key_gives_a_good_token(self):
        _, text = make.enrolment_key_with_text()
        robot, old = enrol(text)
        new = call(old, "rotate-token").json()["api_token"]

        _, again = enrol(text)

        assert len({old, new, again}) == 3
        assert RobotToken.matching(again).robot == robot

    def test_the_installation_says_how_long_a_token_works(self, settings):
        settings.ROBOT_TOKEN_DAYS = 7
        _, text = make.enrolment_key_with_text()
        _, derived = enrol(text)

        rotated = call(derived, "rotate-token").json()

        week = timedelta(days=7).total_seconds()
        assert week - 60 < rotated["expires_in"] <= week
        assert RobotToken.matching(derived).expires_at is not None

    def test_a_token_that_has_ended_is_given_anew_by_its_key(self):
        _, text = make.enrolment_key_with_text()
        robot, old = enrol(text)
        RobotToken.objects.update(expires_at=Now() - timedelta(seconds=1))

        again, new = enrol(text)

        assert (again, RobotToken.matching(old), RobotToken.matching(new).robot) == (robot, None, robot)
        assert enrol(text) == (robot, new)

    def test_it_is_written_down_without_the_token(self):
        robot, old = make.robot_with_token()

        new = call(old, "rotate-token").json()["api_token"]

        entry = AuditEntry.objects.about(robot).get(action="robot.token_rotated")
        assert (entry.actor_name, entry.reason) == (robot.name, "by the robot itself")
        assert new[15:] not in str(list(AuditEntry.objects.values()))


class TestLeaving:
    def test_a_robot_leaves_with_its_machine_and_both_names_are_free(self):
        key, text = make.enrolment_key_with_text()
        robot, token = enrol(text)

        answer = call(token, "deregister", {"session": None})

        assert (answer.status_code, answer.json()) == (200, {"answer": "deregistered"})
        assert call(token, "deregister").status_code == 401
        assert not Robot.objects.alive().exists()
        assert not Machine.objects.alive().exists()
        again, _ = enrol(text)
        key.refresh_from_db()
        assert (again.pk == robot.pk, again.name, again.machine.name, key.uses) == (False, "robot-1", "host-1", 2)

    def test_a_machine_that_was_made_by_hand_stays(self):
        robot, token = make.robot_with_token()

        call(token, "deregister")

        assert list(Machine.objects.alive()) == [robot.machine]

    def test_a_machine_with_another_robot_stays(self):
        _, text = make.enrolment_key_with_text()
        (_, token), (other, _) = enrol(text, name="a"), enrol(text, name="b")

        call(token, "deregister")

        assert list(Robot.objects.alive()) == [other]
        assert list(Machine.objects.alive()) == [other.machine]

    def test_a_robot_that_runs_a_job_is_refused_and_its_session_goes_on(self):
        robot, token, execution, _ = at_work()

        refused = call(token, "deregister", {"session": execution.session_id})

        assert (refused.status_code, refused.json()["code"]) == (409, "robot_busy")
        assert robot.sessions.get().ended_at is None

    def test_another_process_s_session_is_refused(self):
        robot, token = make.robot_with_token()
        make.session(robot)

        refused = call(token, "deregister", {"session": uuid.uuid4()})

        assert (refused.status_code, refused.json()["code"]) == (409, "session_over")

    def test_what_is_no_session_is_refused_by_name(self):
        _, token = make.robot_with_token()

        assert api.fields_refused(call(token, "deregister", {"session": "mine"})) == {"session"}

    def test_its_session_ends_and_it_is_written_down(self):
        robot, token = make.robot_with_token()
        session = make.session(robot)

        call(token, "deregister", {"session": session.pk})

        session.refresh_from_db()
        assert session.end_reason == "deregistered"
        assert AuditEntry.objects.about(robot).filter(action="robot.deregistered").count() == 1

    def test_its_history_stays_and_names_it(self):
        robot, token, execution, job = at_work()
        Execution.objects.filter(pk=execution.pk).update(status="completed", finished_at=Now())
        call(token, "deregister")
        visitor, root = superuser(), api.root()

        shown = text_of(visitor.open(execution))

        assert f"{robot.name} (deregistered)" in shown
        assert f"{robot.name} (deregistered)" in text_of(visitor.open(job))
        assert visitor.get(page_of(robot)).status_code == 200  # Where the link on those pages leads.
        assert root.get(f"executions/{execution.pk}").json()["robot"]["name"] == robot.name
        assert page_of(robot) not in text_of(visitor.get(list_of(Robot)))
        assert api.ids(root.get("robots")) == []


class TestPreparing:
    def test_a_robot_learns_what_its_processes_would_run(self):
        process = make.process()
        _, token = make.robot_with_token(of=process.tenant)

        (item,) = ask(token, "packages").json()["items"]

        version = process.package.newest_version()
        assert item["process"] == {"id": str(process.pk), "name": process.name}
        assert item["package"] == {
            "id": str(version.pk),
            "name": version.package.name,
            "version": version.version,
            "sha256": version.sha256,
            "size": version.size_bytes,
            "python_version": version.python_version,
            "download_url": f"/api/v1/runner/packages/{version.pk}/download",
        }

    def test_and_may_download_that(self):
        process = make.process()
        _, token = make.robot_with_token(of=process.tenant)
        version = process.package.newest_version()

        answer = ask(token, f"packages/{version.pk}/download")

        assert (answer.status_code, answer.headers["X-Content-SHA256"]) == (200, version.sha256)
        assert len(b"".join(answer.streaming_content)) == version.size_bytes

    @pytest.mark.parametrize(
        "fields",
        [{"required_labels": ["gpu"]}, {"target": "another"}, {"disabled": True}, {"elsewhere": True}],
    )
    def test_what_it_could_not_run_is_left_out_and_not_downloaded(self, fields, system):
        of = make.tenant()
        _, token = make.robot_with_token(of=of)
        target = {"target_robot": make.robot(of=of)} if "target" in fields else {}
        labels = {"required_labels": fields.get("required_labels", [])}
        process = make.process(make.folder() if "elsewhere" in fields else make.folder(of), **labels, **target)
        services = {True: processes.disable_process, False: processes.enable_process}
        services["disabled" in fields](process, actor=system)

        listed = ask(token, "packages").json()["items"]
        refused = ask(token, f"packages/{process.package.newest_version().pk}/download")

        assert listed == []
        assert (refused.status_code, refused.json()["code"]) == (404, "unknown")

    def test_an_inactive_version_is_not_prepared(self, system):
        process = make.process()
        _, token = make.robot_with_token(of=process.tenant)
        packages.deactivate_version(process.package.newest_version(), actor=system)

        assert ask(token, "packages").json()["items"] == []

    def test_a_pinned_version_is_what_is_prepared(self, system):
        process = make.process()
        pinned = process.package.newest_version()
        make.package_version(process.folder, name=process.package.name, version="2.0.0")
        processes.upgrade_process(process, actor=system, version=pinned)
        _, token = make.robot_with_token(of=process.tenant)

        (item,) = ask(token, "packages").json()["items"]

        assert item["package"]["version"] == "1.0.0"

    def test_it_is_narrowed_by_name_or_id(self):
        folder = make.folder()
        a, b, _ = (make.process(folder, name=name) for name in ("Alpha", "Beta", "Gamma"))
        _, token = make.robot_with_token(of=folder.tenant)

        items = ask(token, "packages", process=["alpha", str(b.pk)]).json()["items"]

        assert [item["process"]["id"] for item in items] == [str(a.pk), str(b.pk)]

    def test_too_many_names_are_refused(self):
        _, token = make.robot_with_token()

        assert api.fields_refused(ask(token, "packages", process=[f"p{n}" for n in range(51)])) == {"process"}

    def test_it_takes_as_many_queries_for_five_processes_as_for_one(self, django_assert_num_queries):
        folder = make.folder()
        _, token = make.robot_with_token(of=folder.tenant)
        make.process(folder)
        ask(token, "packages")

        with django_assert_num_queries(4):
            ask(token, "packages")
        for _ in range(4):
            make.process(folder)
        with django_assert_num_queries(4):
            ask(token, "packages")


@pytest.mark.parametrize("path", ["deregister", "rotate-token"])
def test_without_a_token_nothing_is_done(path):
    refused = Client().post(f"/api/v1/runner/{path}", "{}", content_type="application/json")

    assert (refused.status_code, refused.json()["code"]) == (401, "bad_token")
