"""The sidebar shows only what one may open, and the rest of every page is ours."""

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.test import Client

from apps.accounts import services as accounts
from apps.jobs import services as jobs
from apps.jobs.models import BulkChange, Job
from apps.packages.models import Package, PackageVersion
from apps.rbac import services as rbac
from apps.robots import services as robots
from apps.triggers.models import Firing
from tests import make
from tests.admin.visitors import Visitor, holding, list_of, superuser, text_of

pytestmark = pytest.mark.django_db


def entries(visitor):
    response = visitor.get("/admin/")
    return [item["title"] for group in response.context["sidebar_navigation"] for item in group["items"]]


def badges(visitor):
    response = visitor.get("/admin/")
    items = [item for group in response.context["sidebar_navigation"] for item in group["items"]]
    return {item["title"]: item["badge"] for item in items if "badge" in item}


def test_a_superuser_sees_every_place():
    everything = entries(superuser())

    assert everything == [
        "Dashboard", "Packages", "Processes", "Jobs", "Executions", "Triggers", "Calendars", "Queues", "Items",
        "File stores", "Assets", "Credential stores", "Limits", "Machines", "Enrolment keys", "Brakes", "Robots",
        "Tenants", "Folders",
        "Users", "Groups", "Roles", "Role assignments", "API keys", "Bin", "Settings", "Mail",
        "Schedule", "Audit", "Events",
    ]  # fmt: skip


def test_an_operator_sees_where_operators_work():
    place = make.tenant()

    shown = entries(holding("Operator", place))

    assert {"Jobs", "Robots", "Machines", "Processes", "Packages"} <= set(shown)
    assert not {"Users", "Roles", "Audit", "API keys"} & set(shown)


def test_who_holds_nothing_sees_the_dashboard_and_is_told_what_to_do():
    visitor = Visitor(make.user())

    assert entries(visitor) == ["Dashboard"]
    assert "Ask an administrator" in text_of(visitor.get("/admin/"))


def test_what_one_shares_shows_its_door():
    job = make.job()
    visitor = Visitor(make.user())
    rbac.share_object(job, actor=make.SYSTEM, user=visitor.person, permission="jobs.view_job")

    assert entries(visitor) == ["Dashboard", "Jobs", "Executions"]


def test_badges_count_what_waits_for_somebody_and_only_what_one_may_see():
    execution = make.running_job(make.process(on_lost="hold"))
    ended = [execution.session_id]
    jobs.hand_over_leases(execution.robot, actor=make.SYSTEM, ended=ended, reason="robot_restarted")
    robots.flag_error(execution.robot, actor=make.SYSTEM, error="spool unusable")

    assert badges(superuser()) == {"Jobs": "1", "Robots": "1"}
    assert badges(holding("Operator", execution.tenant)) == {"Jobs": "1", "Robots": "1"}
    assert badges(holding("Operator", make.tenant())) == {}


def test_the_sidebar_costs_few_questions_whoever_looks(django_assert_max_num_queries):
    visitor = holding("Operator", make.tenant())

    with django_assert_max_num_queries(22):
        visitor.get("/admin/")


@pytest.mark.parametrize(
    ("model", "place"),
    [(Package, "Packages"), (PackageVersion, "Packages"), (Job, "Jobs"), (BulkChange, "Jobs"), (Firing, "Triggers")],
)
def test_a_list_without_an_entry_of_its_own_stands_under_the_one_it_belongs_to(model, place):
    response = superuser().get(list_of(model))

    items = [item for group in response.context["sidebar_navigation"] for item in group["items"]]
    assert [item["title"] for item in items if item["active"]] == [place]


def test_every_page_carries_our_name():
    response = Client().get("/admin/login/")

    assert "BV Orchestrator" in text_of(response)
    assert "Django" not in text_of(response)


def test_a_login_without_a_destination_leads_to_the_dashboard():
    accounts.create_user("ann", actor=make.SYSTEM, password=make.PASSWORD)

    response = Client().post("/admin/login/", {"username": "ann", "password": make.PASSWORD})

    assert response.status_code == 302
    assert response.url == "/admin/"


def test_apps_have_no_pages_of_their_own():
    response = superuser().get("/admin/jobs/")

    assert (response.status_code, response.url) == (302, "/admin/")


@pytest.mark.parametrize("page", ["/admin/nothing/", "/admin/jobs/job/01a1fe37-7f6f-7795-b423-8474ef77f44e/change/"])
def test_what_is_not_there_has_a_page_that_says_so(page):
    response = superuser().get(page)

    assert response.status_code == 404
    assert "There is no such page" in text_of(response)


def test_the_policy_lets_no_script_of_a_page_run():
    response = superuser().get("/admin/")

    policy = response["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval'" in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]


def test_no_page_of_ours_holds_a_script():
    job = make.job()
    visitor = superuser()

    paths = ("/admin/", "/admin/jobs/job/", f"/admin/jobs/job/{job.pk}/change/")
    shown = "".join(text_of(visitor.get(path)) for path in paths)

    assert [part for part in shown.split("<script")[1:] if "src=" not in part.split(">")[0]] == []


def test_the_log_of_django_is_not_written():
    visitor = superuser()
    visitor.post("/admin/tenancy/tenant/add/", {"name": "Umbrella"})

    assert LogEntry.objects.count() == 0


def test_nothing_of_libraries_is_registered():
    labels = {model._meta.app_label for model in admin.site._registry}

    assert labels == {
        "packages",
        "processes",
        "jobs",
        "queues",
        "assets",
        "robots",
        "tenancy",
        "accounts",
        "mail",
        "rbac",
        "audit",
        "events",
        "triggers",
        "console",
    }
