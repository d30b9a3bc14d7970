"""What everybody sees, and what nobody else does: the same for each kind of row."""

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import ApiToken
from apps.core.admin.pages import OperatorAdmin
from apps.rbac import services as rbac
from tests import make
from tests.admin.rows import KINDS, OF_THE_INSTALLATION, every_kind
from tests.admin.visitors import Visitor, holding, list_of, page_of, superuser, text_of, with_permissions

pytestmark = pytest.mark.django_db


def test_there_are_no_pages_but_ours():
    registered = set(admin.site._registry)

    assert registered == set(KINDS)


@pytest.mark.parametrize("page", [pytest.param(one, id=one.model._meta.label) for one in admin.site._registry.values()])
def test_every_page_is_guarded_and_closes_the_ways_around_services(page, rf):
    request = rf.get("/")
    request.user = make.user(superuser=True)

    assert isinstance(page, OperatorAdmin)
    assert not page.has_delete_permission(request)
    assert not page.has_change_permission(request)
    assert "delete_selected" not in page.get_actions(request)


@every_kind()
def test_a_superuser_finds_a_row_in_the_list_and_opens_it(model, maker):
    row = maker(make.tenant())
    visitor = superuser()

    listed = visitor.get(list_of(model))
    opened = visitor.open(row)

    assert listed.status_code == 200
    assert opened.status_code == 200
    assert page_of(row) in text_of(listed)


@pytest.mark.parametrize("model", OF_THE_INSTALLATION)
def test_who_administers_a_tenant_sees_nothing_of_the_installation(model):
    mine = make.tenant()
    row = KINDS[model][0](mine)
    visitor = holding("Administrator", mine)

    assert page_of(row) not in text_of(visitor.get(list_of(model)))
    assert visitor.open(row).status_code == 404


@every_kind(of_tenants=True)
def test_who_administers_a_tenant_sees_its_rows_and_nothing_of_another(model, maker):
    mine, theirs = make.tenant(), make.tenant()
    own, foreign = maker(mine), maker(theirs)
    visitor = holding("Administrator", mine)

    listed = visitor.get(list_of(model))

    assert page_of(own) in text_of(listed)
    assert str(foreign.pk) not in text_of(listed)
    assert visitor.open(own).status_code == 200
    assert visitor.open(foreign).status_code == 404


@every_kind(shared=True)
def test_who_shares_one_row_sees_that_one_alone(model, maker, permission):
    place = make.tenant()
    shared, other = maker(place), maker(make.tenant() if maker.__name__ == "tenant" else place)
    visitor = Visitor(make.user())
    rbac.share_object(shared, actor=make.SYSTEM, user=visitor.person, permission=permission)

    listed = visitor.get(list_of(model))

    assert page_of(shared) in text_of(listed)
    assert str(other.pk) not in text_of(listed)
    assert visitor.open(shared).status_code == 200
    assert visitor.open(other).status_code == 404


@every_kind()
def test_who_holds_nothing_gets_neither_list_nor_page(model, maker):
    row = maker(make.tenant())
    visitor = Visitor(make.user())

    listed = visitor.get(list_of(model))

    # Everybody has a list of their own keys.
    assert listed.status_code == (200 if model is ApiToken else 403)
    assert page_of(row) not in text_of(listed)
    assert visitor.open(row).status_code == 404


@every_kind()
def test_who_is_not_signed_in_or_no_staff_is_sent_to_the_login(model, maker):
    stranger, outsider = Client(), Visitor(make.user(staff=False))

    assert stranger.get(list_of(model)).status_code == 302
    assert outsider.get(list_of(model)).status_code == 302


@every_kind()
def test_a_list_asks_no_question_per_row(model, maker):
    place = make.tenant()
    visitor = holding("Administrator", place)
    maker(place)
    with CaptureQueriesContext(
        connection,
    ) as few:
        visitor.get(list_of(model))
    for _ in range(4):
        maker(place)

    with CaptureQueriesContext(connection) as many:
        visitor.get(list_of(model))

    assert len(many) <= len(few)
    assert len(many) < 30


@every_kind()
def test_a_page_is_made_with_few_questions(model, maker, django_assert_max_num_queries):
    place = make.tenant()
    row = maker(place)
    visitor = superuser()

    # Some nine of them are asked on every page: who looks, what is set, and the numbers beside the navigation.
    with django_assert_max_num_queries(24):
        visitor.open(row)


@every_kind()
def test_what_is_no_id_is_not_found(model, maker):
    address = list_of(model)

    assert superuser().get(f"{address}12/change/").status_code == 404


def test_the_history_of_a_row_is_its_audit_trail():
    row = make.machine()

    response = superuser().get(page_of(row, "history"))

    assert response.status_code == 302
    assert f"target={row.pk}" in response.url


@every_kind()
def test_the_deletion_of_django_is_closed(model, maker):
    row = maker(make.tenant())
    operations = {one.name for one in admin.site._registry[model].operations}

    response = superuser().get(f"{list_of(model)}{row.pk}/delete/")

    assert response.status_code == (200 if "delete" in operations else 404)


def test_names_that_are_markup_stay_text():
    wicked = "<img src=x onerror=alert(1)>"
    place = make.tenant()
    machine = make.machine(place, name=wicked, description=wicked)
    robot = make.robot(machine, name=f"{wicked} robot")
    visitor = superuser()

    shown = [text_of(visitor.get(list_of(type(row)))) + text_of(visitor.open(row)) for row in (machine, robot)]

    assert [wicked in text for text in shown] == [False, False]
    assert ["&lt;img src=x" in text for text in shown] == [True, True]


def test_a_link_leads_only_where_one_may_go():
    place = make.tenant()
    robot = make.robot(of=place)
    visitor = with_permissions("robots.view_robot", inside=place)

    shown = text_of(visitor.get(list_of(type(robot)))) + text_of(visitor.open(robot))

    assert robot.machine.name in shown
    assert page_of(robot.machine) not in shown


def test_who_shares_a_job_sees_its_tries_and_who_shares_a_package_its_versions():
    execution, version = make.running_job(), make.package_version()
    visitor = Visitor(make.user())
    rbac.share_object(execution.job, actor=make.SYSTEM, user=visitor.person, permission="jobs.view_job")
    rbac.share_object(version.package, actor=make.SYSTEM, user=visitor.person, permission="packages.view_package")

    assert visitor.open(execution).status_code == 200
    assert visitor.open(version).status_code == 200
