"""Who may do what over the API, tried on every address there is."""

from __future__ import annotations

import uuid
from functools import partial

import pytest
from django.contrib.auth.models import Permission
from django.db import transaction

from apps.rbac import services as rbac
from apps.rbac.models import Role
from apps.rbac.rules import OPERATIONAL_APPS
from apps.tenancy import services as tenancy
from tests import api, make
from tests.api_routes import QUESTIONS, World, headers
from tests.api_routes import routes as all_routes

pytestmark = pytest.mark.django_db

#: Makes a first key of one's own, which everybody may.
OF_ONES_OWN = {"POST api-keys"}
#: Whom a suspended tenant's own state does not stop: it is changed by who may change the installation.
OF_THE_INSTALLATION = {
    "POST tenants", "POST tenants/<str:id>/suspend", "POST tenants/<str:id>/resume", "POST settings/email/test",
    "PUT tenants/<str:id>/quotas",
}  # fmt: skip
#: Changes what it finds in all tenants that the caller may change; it leaves those alone that are suspended.
OF_ALL_TENANTS = {"POST robots/bulk"}


def routes():
    """The addresses at which permissions are asked."""
    return [one for one in all_routes() if not one.is_own]


@pytest.fixture
def world():
    """A tenant with one row of each kind."""
    return World()


def administrator_of(tenant) -> api.Caller:
    """Somebody who may do everything in one tenant."""
    person = make.user()
    rbac.assign_role(Role.objects.get(name="Administrator", tenant=None), actor=make.SYSTEM, user=person, tenant=tenant)
    return api.Caller(person)


def looking_at(tenant) -> api.Caller:
    """Somebody who may look at everything in one tenant and change nothing."""
    views = Permission.objects.filter(content_type__app_label__in=OPERATIONAL_APPS, codename__startswith="view_")
    role = rbac.create_role(f"Looks {uuid.uuid4().hex[:8]}", actor=make.SYSTEM, permissions=views)
    person = make.user()
    rbac.assign_role(role, actor=make.SYSTEM, user=person, tenant=tenant)
    return api.Caller(person)


def statuses(caller: api.Caller, wanted, rows) -> dict[str, int]:
    """The status of each route's answer, by route."""
    return {str(one): caller.call(one.method, one.address(rows)).status_code for one in wanted}


def undone(call):
    """The answer of a call whose effects are taken back."""
    place = transaction.savepoint()
    answer = call()
    transaction.savepoint_rollback(place)
    return answer


def test_what_belongs_to_another_tenant_is_not_there(world):
    stranger = administrator_of(make.tenant())
    wanted = [one for one in routes() if one.names_row]

    found = statuses(stranger, wanted, world.rows)

    assert found == dict.fromkeys(found, 404)


def test_what_is_not_shown_and_what_does_not_exist_look_alike(world):
    stranger = administrator_of(make.tenant())
    nowhere = dict.fromkeys(world.rows, uuid.uuid4())
    wanted = [one for one in routes() if one.names_row]

    def told(rows):
        answers = {str(one): stranger.call(one.method, one.address(rows)).json() for one in wanted}
        return {route: {**answer, "request_id": ""} for route, answer in answers.items()}

    assert told(world.rows) == told(nowhere)


def test_a_key_of_another_tenant_reaches_nothing_whoever_holds_it(world):
    everybody = api.Caller(make.user(superuser=True), key_in=make.tenant())
    wanted = [one for one in routes() if one.names_row]

    found = statuses(everybody, wanted, world.rows)

    assert found == dict.fromkeys(found, 404)


def test_a_key_makes_nothing_in_another_tenant(world):
    everybody = api.Caller(make.user(superuser=True), key_in=make.tenant())
    wanted = [one for one in routes() if one.method == "POST" and not one.names_row and one.path != "packages/upload"]

    found = {
        str(one): everybody.call("POST", one.path, world.body(one), **headers(world.tenant)).status_code
        for one in wanted
    }

    answered_otherwise = {"POST tenants": 403, "POST settings/email/test": 403} | dict.fromkeys(OF_ALL_TENANTS, 200)
    assert found == dict.fromkeys(found, 400) | answered_otherwise
    world.robot.refresh_from_db()
    assert world.robot.draining is False  # What is in the other tenant is not found.


def test_lists_show_nothing_of_another_tenant(world):
    stranger = administrator_of(make.tenant())
    lists = [one for one in routes() if one.action == "list" and not one.names_row]

    shown = {row["id"] for one in lists for row in stranger.get(one.path, {"page_size": 200}).json()["items"]}

    assert shown & {str(pk) for pk in world.rows.values()} == set()


def test_who_may_only_look_is_refused_every_change_and_told_what_it_takes(world):
    viewer = looking_at(world.tenant)
    wanted = [one for one in routes() if one.writes and str(one) not in OF_ONES_OWN and one.path != "packages/upload"]

    answers = {
        str(one): viewer.call(one.method, one.address(world.rows), world.body(one), **headers(world.tenant))
        for one in wanted
    }

    assert {route: answer.status_code for route, answer in answers.items()} == dict.fromkeys(answers, 403)
    assert {route for route, answer in answers.items() if "permission" not in answer.json()["detail"]} == set()


def test_who_may_only_look_reads_everything(world):
    viewer = looking_at(world.tenant)
    taken_away = ("/download", "/export.csv", "/export.jsonl")  # That takes more than looking.
    wanted = [one for one in routes() if one.method == "GET" and not one.path.endswith(taken_away)]

    found = statuses(viewer, wanted, world.rows)

    assert found == dict.fromkeys(found, 200)


def test_a_suspended_tenant_stays_as_it_is_whoever_asks(world):
    root = api.root()
    tenancy.suspend_tenant(world.tenant, actor=make.SYSTEM)
    wanted = [
        one
        for one in routes()
        if (one.writes or one.path in QUESTIONS)
        and str(one) not in OF_THE_INSTALLATION | OF_ALL_TENANTS
        and one.path != "packages/upload"
    ]

    answers = {
        str(one): root.call(one.method, one.address(world.rows), world.body(one), **headers(world.tenant))
        for one in wanted
    }

    assert {route: answer.json().get("code", answer.status_code) for route, answer in answers.items()} == dict.fromkeys(
        answers, "tenant_suspended"
    )
    assert {answer.status_code for answer in answers.values()} == {403}


def test_a_suspended_tenant_can_still_be_read(world):
    root = api.root()
    tenancy.suspend_tenant(world.tenant, actor=make.SYSTEM)
    wanted = [one for one in routes() if one.method == "GET"]

    found = statuses(root, wanted, world.rows)

    assert found == dict.fromkeys(found, 200)


def test_nobody_unknown_is_answered(client):
    found = {
        str(one): client.generic(one.method, f"{api.ROOT}{one.path}", "", "application/json").status_code
        for one in all_routes()
    }

    assert found == dict.fromkeys(found, 401) | {"POST auth/login": 400}


def test_fields_that_are_not_for_callers_are_refused_by_name(world):
    root = api.root()
    smuggled = {
        "id": str(uuid.uuid4()), "tenant_id": str(uuid.uuid4()), "status": "completed", "created_by": "me",
        "is_staff": True, "is_superuser": True, "is_builtin": True, "attempts_used": 0, "deleted_at": None,
        "revision": 9, "sha256": "0", "last_seen_at": None,
    }  # fmt: skip
    wanted = [one for one in routes() if one.writes and one.method != "DELETE" and not one.takes_file]
    wanted = [one for one in wanted if one.path != "packages/upload"]

    refused = {
        str(one): api.fields_refused(
            root.call(
                one.method,
                one.address(world.rows),
                {**(world.body(one) or {}), **smuggled},
                **headers(world.tenant),
            )
        )
        for one in wanted
    }

    assert {route: set(smuggled) - fields for route, fields in refused.items()} == {route: set() for route in refused}


def test_every_write_is_tried_with_a_body_it_takes(world):
    """The tables above mean something only while every body is right: whoever may do everything gets no 400."""
    root = api.root()
    wanted = [one for one in routes() if one.method in ("POST", "PATCH") and one.path != "packages/upload"]

    found = {
        str(one): undone(
            partial(root.call, one.method, one.address(world.rows), world.body(one), **headers(world.tenant))
        ).status_code
        for one in wanted
    }

    # Leases are their holders' alone, whoever asks.
    assert {route for route, status in found.items() if status == 400} == {"POST item-leases/finish"}


def test_a_refusal_stands_in_the_audit_trail(world):
    viewer = looking_at(world.tenant)
    root = api.root()

    viewer.post(f"jobs/{world.job.pk}/cancel")

    entries = root.get("audit", {"outcome": "refused", "target": world.job.pk}).json()["items"]
    assert [(entry["permission"], entry["actor_name"]) for entry in entries] == [
        ("jobs.cancel_job", viewer.person.username)
    ]
