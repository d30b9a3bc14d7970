"""Roles and who holds them, in the calls of existing BV clients."""

import uuid

import pytest
from django.test import Client

from apps.rbac import services as rbac
from apps.rbac.models import Role
from tests import api, make

pytestmark = pytest.mark.django_db
ROOT = "/api/access"


@pytest.fixture
def tenant():
    return make.tenant()


def client_of(user, tenant):
    return Client(headers={"X-Api-Key": make.api_key(user, tenant)})


@pytest.fixture
def boss(tenant):
    user = make.user()
    rbac.assign_role(Role.objects.get(name="Administrator"), actor=make.SYSTEM, user=user, tenant=tenant)
    return client_of(user, tenant)


def send(client, method, path, body=None):
    return client.generic(method, f"{ROOT}/{path}", b"" if body is None else api.json.dumps(body), "application/json")


def rights_of(role):
    return {one["artifact"]: [name for name, value in one.items() if value is True] for one in role["permissions"]}


def test_a_role_is_made_read_changed_listed_and_deleted(boss, tenant):
    jobs, odd = {"artifact": "jobs", "can_view": True, "can_edit": True}, {"artifact": "nonsense", "can_view": True}

    made = send(boss, "POST", "roles", {"name": "Clerk", "description": "d", "permissions": [jobs, odd]})
    role = made.json()
    read = send(boss, "GET", f"roles/{role['id']}").json()
    changed = send(boss, "PUT", f"roles/{role['id']}", {"permissions": [{"artifact": "triggers", "can_view": True}]})
    listed = {one["name"] for one in send(boss, "GET", "roles").json()}
    canonical = api.root().get(f"roles/{role['id']}").json()
    gone = send(boss, "DELETE", f"roles/{role['id']}")

    assert made.status_code == 201
    assert read == role
    assert rights_of(role)["jobs"] == ["can_view", "can_edit"]
    assert len(role["permissions"]) == 17
    assert {name: may for name, may in rights_of(changed.json()).items() if may} == {"triggers": ["can_view"]}
    assert changed.json()["name"] == "Clerk"
    assert {"Clerk", "Administrator", "Robot owner"} <= listed
    assert (canonical["tenant"], canonical["permissions"]) == (
        str(tenant.pk), ["triggers.view_calendar", "triggers.view_trigger"],
    )  # fmt: skip
    assert (gone.status_code, send(boss, "GET", f"roles/{role['id']}").status_code) == (204, 404)


def test_the_roles_of_a_user_are_said_and_read(boss, tenant):
    user = make.user("jobs.view_job", inside=tenant)
    viewer, operator = (Role.objects.get(name=name) for name in ("Viewer", "Operator"))

    said = send(boss, "POST", f"users/{user.pk}/roles", {"role_ids": [str(viewer.pk), str(operator.pk)]})
    read = send(boss, "GET", f"users/{user.pk}/roles").json()
    listed = {one["username"]: one for one in send(boss, "GET", "users").json()}

    assert said.status_code == 200
    assert [one["name"] for one in read] == ["Operator", "Viewer"]
    assert listed[user.username]["roles"] == ["Operator", "Viewer"]
    assert (listed[user.username]["status"], listed[user.username]["is_active"]) == ("active", True)
    assert set(user.role_assignments.values_list("role", flat=True)) == {viewer.pk, operator.pk}
    assert send(boss, "POST", f"users/{user.pk}/roles", {"role_ids": [7]}).status_code == 400
    assert send(boss, "POST", f"users/{user.pk}/roles", {"role_ids": [str(uuid.uuid4())]}).status_code == 400


def test_e1_e4_e5_who_may_less_is_refused_and_strangers_find_nothing(boss, tenant):
    keeper = make.user("rbac.view_role", "rbac.add_roleassignment", "rbac.delete_roleassignment", inside=tenant)
    lesser, stranger = client_of(keeper, tenant), client_of(make.user("accounts.view_user"), make.tenant())
    role = send(boss, "POST", "roles", {"name": "Clerk", "permissions": []}).json()["id"]
    admin = {"role_ids": [str(Role.objects.get(name="Administrator").pk)]}

    assert send(lesser, "POST", f"users/{keeper.pk}/roles", admin).status_code == 403
    assert send(lesser, "PUT", f"roles/{role}", {"name": "x"}).status_code == 403
    assert send(lesser, "POST", "roles", {"name": "x"}).status_code == 403
    assert send(lesser, "POST", f"users/{keeper.pk}/disable").status_code == 403
    for method, path in (("GET", f"roles/{role}"), ("GET", f"users/{keeper.pk}/roles"), ("DELETE", f"roles/{role}")):
        found = send(stranger, method, path)
        unknown = send(stranger, method, path.replace(role, str(uuid.uuid4())).replace(str(keeper.pk), role))
        assert (found.status_code, unknown.status_code) == (404, 404)
        assert {**found.json(), "request_id": ""} == {**unknown.json(), "request_id": ""}
    assert Client().get(f"{ROOT}/roles").status_code == 401


def test_a_role_by_artifacts_in_the_canonical_api(tenant):
    root = api.root()
    jobs = {"artifact": "jobs", "can_view": True}

    made = root.post("roles", {"name": "Clerk", "tenant": str(tenant.pk), "artifacts": [jobs]})
    more = root.patch(f"roles/{made.json()['id']}", {"artifacts": [jobs, {"artifact": "robots", "can_view": True}]})
    both = root.post("roles", {"name": "x", "tenant": str(tenant.pk), "artifacts": [jobs], "permissions": []})

    assert made.json()["permissions"] == ["jobs.view_job"]
    assert more.json()["permissions"] == ["jobs.view_job", "robots.view_robot"]
    assert api.fields_refused(both) == {"artifacts"}
