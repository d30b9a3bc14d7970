"""Nobody is offered, in a form, a filter or a search, what they may not see."""

import json

import pytest
from django.contrib import admin
from django.urls import reverse

from apps.accounts.models import ApiToken, User
from apps.jobs import services as jobs
from apps.jobs.models import Job
from apps.packages.models import Package
from apps.processes.models import Process
from apps.rbac import services as rbac
from apps.rbac.models import RoleAssignment
from apps.robots import services as robots
from apps.robots.models import Machine, Robot
from apps.tenancy.models import Folder
from tests import make
from tests.admin import rows
from tests.admin.visitors import Visitor, holding, list_of, new, page_of, superuser, text_of, with_permissions

pytestmark = pytest.mark.django_db


def offered(response, field):
    return {str(value) for value, _ in response.context["form"].fields[field].choices}


def test_a_run_offers_the_robots_of_its_tenant_that_one_may_see():
    process = make.process()
    near, foreign = make.robot(of=process.tenant), make.robot()

    response = superuser().get(page_of(process, "run"))
    limited = with_permissions("processes.view_process", "processes.run_process").get(page_of(process, "run"))

    assert str(near.pk) in offered(response, "target_robot")
    assert str(foreign.pk) not in offered(response, "target_robot")
    assert offered(limited, "target_robot") == {""}


def test_a_process_is_made_of_what_is_in_its_tenant():
    place, elsewhere = make.tenant(), make.tenant()
    mine, theirs = rows.package(place), rows.package(elsewhere)

    response = superuser().get(f"{new(Process)}?folder={make.folder(place).pk}")

    assert str(mine.pk) in offered(response, "package")
    assert str(theirs.pk) not in offered(response, "package")


def test_the_folder_of_a_process_is_asked_for_first_where_there_are_several():
    mine, theirs = make.tenant("Mine"), make.tenant("Theirs")

    everybody = superuser().get(new(Process))
    limited = with_permissions("processes.add_process", inside=mine).get(new(Process))

    assert f"?folder={make.folder(mine).pk}" in text_of(everybody)
    assert f"?folder={make.folder(theirs).pk}" in text_of(everybody)
    assert "Theirs" not in text_of(limited)
    assert limited.context["form"].place == make.folder(mine)


def test_a_folder_of_another_tenant_cannot_be_asked_for():
    foreign = make.folder()
    visitor = with_permissions("processes.add_process", inside=make.tenant())

    response = visitor.get(f"{new(Process)}?folder={foreign.pk}")

    assert str(foreign.pk) not in text_of(response).replace(f"?folder={foreign.pk}", "")
    assert "form" not in (response.context or {})


def test_uploads_offer_the_folders_in_which_one_may_upload():
    mine, theirs = make.tenant(), make.tenant()
    visitor = with_permissions("packages.upload_package", inside=mine)

    response = visitor.get(new(Package))

    assert offered(response, "folder") == {"", str(make.folder(mine).pk)}
    assert str(make.folder(theirs).pk) not in text_of(response)


@pytest.mark.parametrize(
    ("model", "field"),
    [(Machine, "tenant"), (Robot, "machine"), (Folder, "inside"), (ApiToken, "tenant"), (RoleAssignment, "user")],
)
def test_forms_for_new_rows_offer_nothing_of_another_tenant(model, field):
    mine, theirs = make.tenant(), make.tenant()
    foreign = {str(theirs.pk), str(make.folder(theirs).pk), str(rows.machine(theirs).pk), str(rows.user(theirs).pk)}
    rows.machine(mine)

    response = holding("Administrator", mine).get(new(model))

    assert len(offered(response, field) - {""}) > 0
    assert offered(response, field) & foreign == set()


@pytest.mark.parametrize("model", [Job, Process, Package, Machine, Robot, Folder])
def test_filters_offer_nothing_of_another_tenant(model):
    mine, theirs = make.tenant("Mine"), make.tenant("Secret Ltd")
    rows.job(theirs)
    make.machine(theirs, name="secret-host")
    rows.job(mine)
    second = make.tenant("Also mine")
    visitor = holding("Administrator", mine)
    rbac.assign_role(visitor.person.role_assignments.get().role, actor=make.SYSTEM, user=visitor.person, tenant=second)

    shown = text_of(visitor.get(list_of(model)))

    assert "Also mine" in shown
    assert "Secret Ltd" not in shown
    assert "secret-host" not in shown


def test_filtering_by_a_row_one_may_not_see_finds_nothing():
    foreign = rows.job(make.tenant())
    visitor = holding("Administrator", make.tenant())

    response = visitor.get(list_of(Job), process__id__exact=foreign.process_id, since="all")

    assert response.status_code == 200
    assert page_of(foreign) not in text_of(response)


def test_search_finds_nothing_of_another_tenant():
    foreign = rows.job(make.tenant())
    visitor = holding("Administrator", make.tenant())

    by_id = visitor.get(list_of(Job), q=str(foreign.pk), since="all")
    by_name = visitor.get(list_of(Job), q=foreign.process.name, since="all")

    assert (by_id.status_code, by_name.status_code) == (200, 200)
    assert page_of(foreign) not in text_of(by_id) + text_of(by_name)


def test_a_job_is_found_by_its_id():
    job, other = make.job(), make.job()

    shown = text_of(superuser().get(list_of(Job), q=str(job.pk)))

    assert page_of(job) in shown
    assert page_of(other) not in shown


@pytest.mark.parametrize(
    ("source", "field"), [("jobs.job", "process"), ("jobs.execution", "robot"), ("robots.robot", "machine")]
)
def test_the_autocomplete_of_django_offers_only_what_one_may_see(source, field):
    mine, theirs = make.tenant(), make.tenant()
    foreign = {str(rows.process(theirs).pk), str(rows.robot(theirs).pk), str(rows.machine(theirs).pk)}
    rows.process(mine), rows.robot(mine)
    app, model = source.split(".")

    response = holding("Administrator", mine).get(
        reverse("admin:autocomplete"), app_label=app, model_name=model, field_name=field, term=""
    )

    found = {one["id"] for one in json.loads(response.content)["results"]}
    assert len(found) > 0
    assert found & foreign == set()


def test_the_autocomplete_is_closed_to_who_may_see_none_of_it():
    rows.process(make.tenant())

    response = with_permissions("jobs.view_job").get(
        reverse("admin:autocomplete"), app_label="jobs", model_name="job", field_name="process", term=""
    )

    assert response.status_code == 403


def test_the_palette_finds_pages_and_rows_one_may_open():
    mine, theirs = make.tenant(), make.tenant()
    own, foreign = make.robot(of=mine, name="picker"), make.robot(of=theirs, name="picker-two")
    visitor = holding("Operator", mine)

    shown = text_of(visitor.get(reverse("admin:search"), s="pick"))
    places = text_of(visitor.get(reverse("admin:search"), s="rob"))
    hidden = text_of(visitor.get(reverse("admin:search"), s="audit"))

    assert page_of(own) in shown
    assert page_of(foreign) not in shown
    assert list_of(Robot) in places
    assert "Nothing found" in hidden


def test_the_palette_finds_a_job_by_its_id():
    job = make.job()

    shown = text_of(superuser().get(reverse("admin:search"), s=str(job.pk)))

    assert page_of(job) in shown


def test_deleted_rows_are_offered_nowhere():
    process = make.process()
    gone = make.robot(of=process.tenant)
    robots.delete_robot(gone, actor=make.SYSTEM)

    response = superuser().get(page_of(process, "run"))

    assert str(gone.pk) not in offered(response, "target_robot")


def test_why_tells_of_no_robot_one_may_not_see():
    process = make.process()
    job = make.job(process)
    robot = make.robot(of=process.tenant, name="hidden-robot")
    visitor = with_permissions("jobs.view_job", inside=process.tenant)

    shown = text_of(visitor.open(job))

    assert "Why is it waiting?" in shown
    assert robot.name not in shown


def test_a_robot_tells_of_no_job_one_may_not_see():
    process = make.process(name="Secret work")
    robot = make.robot(of=process.tenant)
    make.session(robot)
    make.job(process)
    visitor = with_permissions("robots.view_robot", inside=process.tenant)

    shown = text_of(visitor.open(robot))

    assert "Why is it idle?" in shown
    assert "Secret work" not in shown


def test_what_a_robot_runs_shows_only_to_who_may_see_the_job():
    execution = make.running_job(make.process(name="Secret work"))
    visitor = with_permissions("robots.view_robot", inside=execution.tenant)

    shown = text_of(visitor.open(execution.robot)) + text_of(visitor.get(list_of(Robot)))

    assert "Secret work" not in shown
    assert "1 of 1" in shown


def test_the_page_of_a_user_tells_of_roles_in_ones_own_tenants_only():
    mine, theirs = make.tenant("Mine"), make.tenant("Secret Ltd")
    person = make.user("jobs.view_job", inside=mine)
    rbac.assign_role(rows.role(theirs), actor=make.SYSTEM, user=person, tenant=theirs)

    shown = text_of(holding("Administrator", mine).open(person))

    assert "in Mine" in shown
    assert "Secret Ltd" not in shown


def test_everybody_sees_their_own_keys_and_nobody_elses():
    own = rows.api_key(make.tenant())
    visitor = Visitor(own.user)
    foreign = rows.api_key(own.tenant)

    assert visitor.open(own).status_code == 200
    assert visitor.open(foreign).status_code == 404


def test_counts_on_the_dashboard_are_of_what_one_may_see():
    mine, theirs = make.tenant(), make.tenant()
    rows.job(theirs)
    execution = make.running_job(rows.process(theirs))
    rows.job(mine)
    jobs.kill_job(execution.job, actor=make.SYSTEM)

    response = holding("Operator", mine).get("/admin/")

    numbers = {number.title: number.value for number in response.context["numbers"]}
    assert numbers["Jobs in line"] == 1
    assert numbers["Running"] == 0


def test_users_of_another_tenant_cannot_be_given_roles():
    mine, theirs = make.tenant(), make.tenant()
    foreign = rows.user(theirs)

    response = holding("Administrator", mine).get(new(RoleAssignment))

    assert str(foreign.pk) not in offered(response, "user")
    assert User.objects.filter(pk=foreign.pk).exists()


@pytest.mark.parametrize("page", [pytest.param(one, id=one.model._meta.label) for one in admin.site._registry.values()])
def test_every_filter_of_every_list_is_taken(page):
    visitor = superuser()
    address = list_of(page.model)
    specs = visitor.get(address).context["cl"].filter_specs
    names = [name for spec in specs for name in spec.expected_parameters()]

    answers = {name: visitor.get(address, **{name: "x"}).status_code for name in names}

    assert [name for name, status in answers.items() if status not in (200, 302)] == []


def test_the_palette_finds_items_by_their_whole_reference():
    mine, theirs = make.tenant(), make.tenant()
    own, other, foreign = rows.item(mine), make.item(rows.queue(mine), reference="INV-12"), rows.item(theirs)

    shown = text_of(holding("Operator", mine).get(reverse("admin:search"), s="INV-1"))

    assert page_of(own) in shown
    assert page_of(other) not in shown
    assert page_of(foreign) not in shown
