"""Who one is, keys, service accounts and roles over the API."""

from __future__ import annotations

import pytest
from django.test import Client

from apps.accounts import services as accounts
from apps.rbac import services as rbac
from apps.rbac.models import Role
from tests import api, make

pytestmark = pytest.mark.django_db


def administrator(tenant):
    """Somebody who may do everything in one tenant."""
    person = make.user()
    rbac.assign_role(Role.objects.get(name="Administrator", tenant=None), actor=make.SYSTEM, user=person, tenant=tenant)
    return api.Caller(person)


class TestMe:
    def test_tells_who_one_is_and_what_one_holds(self):
        tenant = make.tenant()
        person = make.user("jobs.cancel_job", "jobs.view_job", inside=tenant)

        me = api.Caller(person).get("me").json()

        assert me["user"]["id"] == str(person.pk)
        assert (me["bound_to"], me["is_superuser"]) == (None, False)
        assert [one["slug"] for one in me["tenants"]] == [tenant.slug]
        assert me["permissions"] == ["jobs.cancel_job", "jobs.view_job"]
        assert [one["tenant"] for one in me["roles"]] == [str(tenant.pk)]

    def test_tells_to_which_tenant_a_key_belongs(self):
        tenant, other = make.tenant(), make.tenant()
        person = make.user("jobs.view_job", inside=tenant)
        rbac.assign_role(Role.objects.get(name="Viewer", tenant=None), actor=make.SYSTEM, user=person, tenant=other)

        me = api.Caller(person, key_in=tenant).get("me").json()

        assert me["bound_to"]["slug"] == tenant.slug
        assert [one["slug"] for one in me["tenants"]] == [tenant.slug]
        assert me["permissions"] == ["jobs.view_job"]

    def test_takes_no_parameters(self):
        refused = api.root().get("me", {"name": "x"})

        assert api.fields_refused(refused) == {"name"}


class TestApiKeys:
    def test_a_key_is_shown_once_and_works(self):
        tenant = make.tenant()
        caller = api.Caller(make.user("jobs.view_job", inside=tenant))

        made = caller.post("api-keys", {"name": "laptop"}).json()

        program = Client(headers={"X-Api-Key": made["key"]})
        assert program.get("/api/v1/me").json()["bound_to"]["slug"] == tenant.slug
        read = caller.get(f"api-keys/{made['id']}").json()
        assert "key" not in read
        assert made["key"].startswith(read["shown_as"].removesuffix("…"))

    def test_a_revoked_key_is_turned_away(self):
        caller = api.Caller(make.user("jobs.view_job", inside=make.tenant()))
        made = caller.post("api-keys", {"name": "laptop"}).json()

        caller.post(f"api-keys/{made['id']}/revoke", {"reason": "lost"})

        refused = Client(headers={"X-Api-Key": made["key"]}).get("/api/v1/me")
        assert (refused.status_code, refused.json()["code"]) == (401, "bad_api_key")

    def test_one_sees_ones_own_and_nobody_elses(self):
        tenant = make.tenant()
        own, other = make.user("jobs.view_job", inside=tenant), make.user("jobs.view_job", inside=tenant)
        key, _ = accounts.create_api_key(own, actor=make.SYSTEM, tenant=tenant, name="own")
        accounts.create_api_key(other, actor=make.SYSTEM, tenant=tenant, name="other")

        assert api.ids(api.Caller(own).get("api-keys")) == [str(key.pk)]

    def test_a_key_makes_no_key_for_another_tenant(self):
        tenant, other = make.tenant(), make.tenant()
        person = make.user(superuser=True)

        refused = api.Caller(person, key_in=tenant).post("api-keys", {"name": "way out"}, **{"X-Tenant": other.slug})

        assert api.fields_refused(refused) == {"X-Tenant"}

    def test_nobody_makes_a_key_that_acts_as_another_person(self):
        tenant = make.tenant()
        victim = make.user("jobs.view_job", inside=tenant)

        refused = administrator(tenant).post("api-keys", {"name": "mask", "user": victim.pk})

        assert refused.status_code == 403
        assert "service account" in refused.json()["detail"]

    @pytest.mark.parametrize("days", [0, 366, "long"])
    def test_a_key_lives_a_year_at_most(self, days):
        refused = api.root().post("api-keys", {"name": "k", "life_days": days}, **{"X-Tenant": make.tenant().slug})

        assert api.fields_refused(refused) == {"life_days"}

    def test_the_same_request_again_does_not_show_a_key_again(self):
        caller = api.Caller(make.user("jobs.view_job", inside=make.tenant()))
        caller.post("api-keys", {"name": "laptop"}, **{"Idempotency-Key": "one"})

        again = caller.post("api-keys", {"name": "laptop"}, **{"Idempotency-Key": "one"})

        assert (again.status_code, again.json()["code"]) == (409, "secret_shown_once")


class TestServiceAccounts:
    def test_an_account_gets_a_key_and_is_disabled_with_all_its_keys(self):
        tenant = make.tenant()
        boss = administrator(tenant)
        account = boss.post("service-accounts", {"name": "CI"}).json()
        key = boss.post("api-keys", {"name": "runner", "user": account["id"]}).json()
        program = Client(headers={"Authorization": f"Bearer {key['key']}"})
        before = program.get("/api/v1/me").status_code

        disabled = boss.post(f"service-accounts/{account['id']}/disable", {"reason": "gone"}).json()

        assert (before, program.get("/api/v1/me").status_code) == (200, 401)
        assert disabled["is_active"] is False
        assert boss.post(f"service-accounts/{account['id']}/enable").json()["is_active"] is True

    def test_its_name_is_one_per_tenant(self):
        boss = administrator(make.tenant())
        boss.post("service-accounts", {"name": "ci"})

        refused = boss.post("service-accounts", {"name": "CI"})

        assert (refused.status_code, refused.json()["code"]) == (409, "name_taken")

    def test_people_are_not_among_them(self):
        tenant = make.tenant()
        boss = administrator(tenant)

        assert api.ids(boss.get("service-accounts")) == []
        assert api.ids(boss.get("users")) == [str(boss.person.pk)]


class TestRoles:
    def test_a_role_is_made_changed_given_taken_away_and_deleted(self):
        tenant = make.tenant()
        boss, somebody = administrator(tenant), make.user("jobs.view_job", inside=tenant)
        role = boss.post(
            "roles", {"name": "Stops", "tenant": tenant.pk, "permissions": ["jobs.view_job", "jobs.cancel_job"]}
        ).json()
        held = boss.post("role-assignments", {"role": role["id"], "user": somebody.pk, "tenant": tenant.pk}).json()

        changed = boss.patch(f"roles/{role['id']}", {"permissions": ["jobs.cancel_job"]}).json()
        in_use = boss.delete(f"roles/{role['id']}")
        taken = boss.delete(f"role-assignments/{held['id']}")
        deleted = boss.delete(f"roles/{role['id']}")

        assert role["permissions"] == ["jobs.cancel_job", "jobs.view_job"]
        assert (changed["name"], changed["permissions"]) == ("Stops", ["jobs.cancel_job"])
        assert (in_use.status_code, taken.status_code, deleted.status_code) == (409, 204, 204)

    def test_a_role_on_a_folder_names_its_tenant_by_itself(self):
        folder = make.folder(make.tenant())
        boss, somebody = administrator(folder.tenant), make.user("jobs.view_job", inside=folder.tenant)
        viewer = Role.objects.get(name="Viewer", tenant=None)

        held = boss.post("role-assignments", {"role": viewer.pk, "user": somebody.pk, "folder": folder.pk}).json()

        assert (held["tenant"], held["folder"]) == (str(folder.tenant_id), str(folder.pk))
        assert held["role"]["name"] == "Viewer"

    def test_folder_and_tenant_must_fit(self):
        folder, other = make.folder(make.tenant()), make.tenant()
        viewer = Role.objects.get(name="Viewer", tenant=None)
        body = {"role": viewer.pk, "user": make.user().pk, "folder": folder.pk, "tenant": other.pk}

        assert api.fields_refused(api.root().post("role-assignments", body)) == {"folder"}

    def test_nobody_gives_away_what_they_do_not_hold(self):
        tenant = make.tenant()
        few = api.Caller(
            make.user("rbac.add_role", "rbac.view_role", "tenancy.view_tenant", "jobs.view_job", inside=tenant)
        )

        refused = few.post("roles", {"name": "More", "tenant": tenant.pk, "permissions": ["jobs.cancel_job"]})

        assert refused.status_code == 403
        assert "jobs.cancel_job" in refused.json()["detail"]

    def test_an_administrator_of_a_tenant_gives_nothing_everywhere(self):
        tenant = make.tenant()
        boss = administrator(tenant)
        viewer = Role.objects.get(name="Viewer", tenant=None)

        refused = boss.post("role-assignments", {"role": viewer.pk, "user": boss.person.pk})

        assert refused.status_code == 403

    def test_built_in_roles_stay(self):
        viewer = Role.objects.get(name="Viewer", tenant=None)
        root = api.root()

        assert root.patch(f"roles/{viewer.pk}", {"name": "Guest"}).status_code == 409
        assert root.delete(f"roles/{viewer.pk}").status_code == 409

    def test_permissions_that_are_not_there_are_named(self):
        body = {"name": "R", "permissions": ["jobs.view_job", "jobs.fly", "auth.add_group"]}

        refused = api.root().post("roles", body)

        assert api.fields_refused(refused) == {"permissions"}
        assert "auth.add_group, jobs.fly" in refused.json()["detail"]

    def test_the_permissions_there_are_can_be_listed(self):
        names = {one["name"] for one in api.root().get("permissions").json()}

        assert {"jobs.cancel_job", "tenancy.add_folder"} <= names

    def test_roles_of_other_tenants_are_not_shown(self):
        mine, other = make.tenant(), make.tenant()
        rbac.create_role("Theirs", actor=make.SYSTEM, tenant=other)
        own = rbac.create_role("Ours", actor=make.SYSTEM, tenant=mine)

        shown = administrator(mine).get("roles", {"is_builtin": "false"})

        assert api.ids(shown) == [str(own.pk)]

    def test_lists_take_as_many_queries_for_five_rows_as_for_one(self, django_assert_num_queries):
        tenant = make.tenant()
        root = api.root()
        people = [make.user("jobs.view_job", inside=tenant) for _ in range(5)]
        for person in people:
            accounts.create_api_key(person, actor=make.SYSTEM, tenant=tenant, name="key")

        with django_assert_num_queries(5):
            root.get("roles", {"page_size": 1})
        with django_assert_num_queries(5):
            root.get("roles", {"page_size": 5})
        with django_assert_num_queries(3):
            root.get("role-assignments", {"page_size": 1})
        with django_assert_num_queries(3):
            root.get("role-assignments", {"page_size": 5})
        with django_assert_num_queries(4):
            root.get("api-keys", {"page_size": 5})
        with django_assert_num_queries(3):
            root.get("users", {"page_size": 5})
