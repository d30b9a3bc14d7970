"""What a service refuses is said where one typed it, and nothing typed is lost."""

import random

import pytest
from django.test import Client

from apps.audit.models import AuditEntry, Outcome
from apps.core.errors import Conflict, Invalid, NotAllowed, NotFound, Problem
from apps.jobs import services as jobs
from apps.processes.models import Process
from apps.rbac.models import Role
from apps.robots.models import Machine, Robot
from apps.tenancy.models import Folder, Tenant
from tests import make
from tests.admin.visitors import holding, list_of, new, page_of, superuser, text_of, with_permissions

pytestmark = pytest.mark.django_db


def errors_of(response):
    return dict(response.context["form"].errors)


def test_a_name_that_is_taken_is_said_at_the_name_and_the_rest_stays():
    place = make.tenant()
    make.machine(place, name="host-1")

    response = superuser().post(new(Machine), {"name": "Host-1", "tenant": place.pk, "description": "in the cellar"})

    assert response.status_code == 200
    assert "name" in errors_of(response)
    assert "in the cellar" in text_of(response)
    assert Machine.objects.count() == 1


def test_each_problem_lands_on_its_field():
    process = make.process()
    sent = {
        "name": process.name,
        "package": process.package_id,
        "version_policy": "pinned",
        "required_labels": "no good",
    }
    rest = {"priority": 0, "max_attempts": 1, "backoff_base": 1, "backoff_cap": 1, "on_lost": "retry"}

    response = superuser().do(process, "edit", **sent, **rest)

    assert {"pinned_version", "required_labels"} <= set(errors_of(response))
    process.refresh_from_db()
    assert process.revision == 1


def test_a_problem_inside_a_parameter_lands_on_the_parameter():
    process = make.process()

    response = superuser().do(process, "run", **{"parameters.amount": "12", "priority": "5000"})

    assert set(errors_of(response)) == {"priority"}
    assert 'value="12"' in text_of(response)


def test_a_parameter_of_the_wrong_shape_is_refused_by_the_schema():
    source = "def main(tags: list[str]):\n    return tags\n"
    version = make.package_version(source=source)
    process = make.process(version.folder, package=version.package)

    response = superuser().do(process, "run", **{"parameters.tags": "[1]"})

    assert errors_of(response) == {"parameters.tags": ["parameters.tags[0]: must be text, not 1"]}


def test_what_the_world_has_overtaken_is_said_on_the_form():
    job = jobs.cancel_job(make.job(), actor=make.SYSTEM)

    response = superuser().do(job, "cancel", reason="too late")

    assert response.status_code == 200
    assert "has cancelled already" in text_of(response)
    assert "too late" in text_of(response)


def test_a_refused_permission_is_a_page_and_an_entry_of_its_own():
    robot = make.robot()
    visitor = with_permissions("robots.view_robot")

    response = visitor.do(robot, "disable", reason="mine")

    robot.refresh_from_db()
    assert response.status_code == 403
    assert "You may not do this" in text_of(response)
    assert robot.enabled
    entry = AuditEntry.objects.get(outcome=Outcome.REFUSED)
    assert (entry.permission, entry.target_name, entry.tenant_id) == (
        "robots.change_robot",
        robot.name,
        robot.tenant_id,
    )


def test_a_service_that_refuses_permission_on_a_form_is_written_down_too():
    place = make.tenant()
    visitor = holding("Administrator", place)
    role = Role.objects.get(name="Administrator")
    stranger = make.user("jobs.view_job", inside=place)

    response = visitor.post(
        "/admin/rbac/roleassignment/add/", {"user": stranger.pk, "role": role.pk, "place": "everywhere"}
    )

    assert response.status_code == 200
    assert "place" in errors_of(response)
    assert not stranger.role_assignments.filter(role=role).exists()


@pytest.mark.parametrize(
    ("refusal", "status", "says"),
    [
        (NotAllowed("not you"), 403, "You may not do this"),
        (NotFound("gone"), 404, "There is no such thing here"),
        (Conflict("too late"), 409, "This was refused"),
        (Invalid("wrong", problems=[Problem("name", "is wrong")]), 400, "This was refused"),
    ],
)
def test_whatever_no_form_takes_up_is_answered_by_a_page(refusal, status, says, monkeypatch):
    def refuse(*args, **kwargs):
        raise refusal

    monkeypatch.setattr("apps.runner.admin.robots.RobotAdmin.page", refuse)

    response = superuser().open(make.robot())

    assert response.status_code == status
    assert says in text_of(response)
    assert str(refusal) in text_of(response)


def test_a_process_that_cannot_run_says_why_instead_of_a_form():
    process = make.process()
    version = process.package.newest_version()
    type(version).objects.filter(pk=version.pk).update(is_active=False)

    response = superuser().get(page_of(process, "run"))

    assert response.status_code == 409
    assert "it has no active version" in text_of(response)


def test_nothing_of_a_tenant_that_is_suspended_changes():
    robot = make.robot()
    visitor = superuser()
    visitor.do(robot.tenant, "suspend")

    response = visitor.do(robot, "drain")

    robot.refresh_from_db()
    assert not robot.draining
    assert "suspended" in text_of(response)
    assert visitor.open(robot).status_code == 200


def test_nobody_raises_themselves():
    place = make.tenant()
    visitor = holding("Administrator", place)

    edit = visitor.do(visitor.person, "edit", name="me", time_zone="UTC", is_superuser="on")
    created = visitor.post("/admin/accounts/user/add/", {"kind": "person", "username": "evil", "is_superuser": "on"})

    visitor.person.refresh_from_db()
    assert edit.status_code == 403
    assert created.status_code == 200
    assert not visitor.person.is_superuser
    assert "kind" in errors_of(created)


def test_only_a_superuser_is_offered_to_make_one():
    visitor = holding("Administrator")

    response = visitor.post(
        "/admin/accounts/user/add/",
        {"kind": "person", "username": "evil", "time_zone": "UTC", "is_superuser": "on", "password": make.PASSWORD},
    )

    assert response.status_code == 302
    assert not type(visitor.person).objects.get(username="evil").is_superuser


def test_a_form_that_is_too_large_is_refused_before_it_is_read():
    response = superuser().client.generic(
        "POST", new(Tenant), b"name=x", "application/x-www-form-urlencoded", CONTENT_LENGTH=str(64 * 1024 * 1024)
    )

    assert response.status_code == 413


def test_a_package_may_be_larger_than_a_form():
    visitor = superuser()
    file = make.package_file(**{"data.txt": random.Random(1).randbytes(1_500_000).hex()})

    response = visitor.post("/admin/packages/package/add/", {"folder": make.folder().pk, "file": file})

    assert response.status_code == 302


@pytest.mark.parametrize(
    "query",
    [
        {"user__password__startswith": "argon2"},
        {"digest__startswith": "0"},
        {"machine__keys__digest__startswith": "0"},
        {"tenant__slug__startswith": "t"},
    ],
)
@pytest.mark.parametrize("model", [Robot, Machine, Process, Folder])
def test_a_list_takes_no_look_ups_but_those_of_its_filters(model, query):
    response = superuser().get(list_of(model), **query)

    assert response.status_code == 400


@pytest.mark.parametrize(
    "query", [{"_to_field": "digest"}, {"_to_field": "machine"}, {"o": "digest"}, {"_facets": "1"}]
)
def test_the_side_doors_of_djangos_lists_give_nothing_away(query):
    robot = make.robot()
    visitor = with_permissions("robots.view_robot", inside=make.tenant())

    response = visitor.get(list_of(Robot), **query)

    assert response.status_code in (200, 302, 400)
    assert robot.name not in text_of(response)


def test_who_types_the_wrong_password_too_often_waits():
    visitor = Client()

    answers = [visitor.post("/admin/login/", {"username": "ann", "password": "wrong"}) for _ in range(6)]

    assert [answer.status_code for answer in answers][-1] == 429
    assert "Too many wrong passwords" in text_of(answers[-1])


def test_a_key_of_another_tenant_in_a_form_is_refused():
    mine, theirs = make.tenant(), make.tenant()
    visitor = holding("Administrator", mine)
    foreign = make.machine(theirs)

    response = visitor.post(new(Robot), {"name": "spy", "machine": foreign.pk, "slots": 1})

    assert "machine" in errors_of(response)
    assert not Robot.objects.filter(name="spy").exists()


def test_a_refusal_while_saving_a_robot_leaves_everything_as_it_was():
    robot = make.robot(name="robot-a", labels=["linux"])
    make.robot(robot.machine, name="robot-b")

    response = superuser().do(robot, "edit", name="robot-b", slots=4, labels="windows")

    robot.refresh_from_db()
    assert "name" in errors_of(response)
    assert (robot.name, robot.slots, robot.labels) == ("robot-a", 1, ["linux"])
    assert "robot-a" in text_of(response)


def test_a_robot_that_works_is_not_deleted():
    execution = make.running_job()

    response = superuser().do(execution.robot, "delete")

    assert "is running jobs" in text_of(response)
    assert Robot.objects.alive().filter(pk=execution.robot_id).exists()


def test_folders_one_may_not_see_stay_with_a_robot_that_is_saved():
    place = make.tenant()
    robot = make.robot(of=place)
    hidden = make.folder(place)
    visitor = with_permissions("robots.view_robot", "robots.change_robot", inside=place)

    response = visitor.do(robot, "edit", name="renamed", slots=1)

    assert response.status_code == 302
    assert list(robot.folders.all()) == [hidden]
