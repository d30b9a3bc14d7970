"""Tenants and folders over the API."""

from __future__ import annotations

import pytest

from apps.tenancy import services as tenancy
from tests import api, make

pytestmark = pytest.mark.django_db


def test_a_tenant_is_made_renamed_suspended_and_resumed():
    root = api.root()

    made = root.post("tenants", {"name": "Acme & Sons"}).json()
    renamed = root.patch(f"tenants/{made['id']}", {"name": "Acme"}).json()
    suspended = root.post(f"tenants/{made['id']}/suspend", {"reason": "unpaid"}).json()
    resumed = root.post(f"tenants/{made['id']}/resume").json()

    assert (made["slug"], made["status"]) == ("acme-sons", "active")
    assert (renamed["name"], renamed["slug"]) == ("Acme", "acme-sons")
    assert (suspended["status"], resumed["status"]) == ("suspended", "active")


def test_a_new_tenant_says_where_it_is_and_has_its_shared_folder():
    root = api.root()

    made = root.post("tenants", {"name": "New"})

    assert made.headers["Location"] == f"/api/v1/tenants/{made.json()['id']}"
    folders = root.get("folders", {"tenant": made.json()["id"]}).json()["items"]
    assert [(folder["name"], folder["is_default"]) for folder in folders] == [("Shared", True)]


def test_a_slug_is_made_once():
    root = api.root()
    root.post("tenants", {"name": "One", "slug": "one"})

    refused = root.post("tenants", {"name": "Another", "slug": "one"})

    assert (refused.status_code, refused.json()["code"]) == (409, "name_taken")


@pytest.mark.parametrize("slug", ["Big Letters", "api", "ends-"])
def test_a_slug_that_cannot_stand_in_an_address_is_refused(slug):
    refused = api.root().post("tenants", {"name": "One", "slug": slug})

    assert "slug" in api.fields_refused(refused)


def test_resuming_what_is_not_suspended_is_a_conflict():
    refused = api.root().post(f"tenants/{make.tenant().pk}/resume")

    assert (refused.status_code, refused.json()["code"]) == (409, "illegal_transition")


def test_people_see_the_tenants_they_hold_something_in():
    tenant = make.tenant()
    make.tenant()
    somebody = api.Caller(make.user("jobs.view_job", inside=tenant))

    assert api.ids(somebody.get("tenants")) == [str(tenant.pk)]


def test_tenants_are_found_by_part_of_their_name():
    make.tenant("Alpha works")
    wanted = make.tenant("Beta works")

    found = api.root().get("tenants", {"name": "beta"})

    assert api.ids(found) == [str(wanted.pk)]


def test_a_folder_shows_its_path_from_the_top():
    tenant = make.tenant()
    root = api.root()
    outer = root.post("folders", {"name": "Finance"}, **{"X-Tenant": tenant.slug}).json()

    inner = root.post("folders", {"name": "Invoices", "parent": outer["id"]}).json()

    assert (inner["path"], inner["depth"]) == (["Finance", "Invoices"], 2)
    assert root.get(f"folders/{inner['id']}").json() == inner
    assert api.ids(root.get("folders", {"parent": outer["id"]})) == [inner["id"]]


def test_a_folder_above_that_one_does_not_see_has_no_name():
    outer = tenancy.create_folder(make.tenant(), actor=make.SYSTEM, name="Secret")
    inner = tenancy.create_folder(outer, actor=make.SYSTEM, name="Mine")
    somebody = api.Caller(make.user("tenancy.view_folder", inside=inner))

    (shown,) = somebody.get("folders").json()["items"]

    assert shown["path"] == ["…", "Mine"]


def test_a_folder_is_renamed_and_its_name_is_one_per_place():
    tenant = make.tenant()
    folder = tenancy.create_folder(tenant, actor=make.SYSTEM, name="One")
    tenancy.create_folder(tenant, actor=make.SYSTEM, name="Two")
    root = api.root()

    renamed = root.patch(f"folders/{folder.pk}", {"name": "Three"})
    refused = root.patch(f"folders/{folder.pk}", {"name": "TWO"})

    assert renamed.json()["name"] == "Three"
    assert (refused.status_code, refused.json()["code"]) == (409, "name_taken")


def test_an_empty_folder_is_deleted_and_its_name_is_free_again():
    tenant = make.tenant()
    folder = tenancy.create_folder(tenant, actor=make.SYSTEM, name="One")
    root = api.root()

    deleted = root.delete(f"folders/{folder.pk}")

    assert deleted.status_code == 204
    assert root.get(f"folders/{folder.pk}").status_code == 404
    assert root.post("folders", {"name": "One"}, **{"X-Tenant": tenant.slug}).status_code == 201


def test_a_folder_in_which_something_lives_stays():
    folder = tenancy.create_folder(make.tenant(), actor=make.SYSTEM, name="One")
    make.process(folder)

    refused = api.root().delete(f"folders/{folder.pk}")

    assert (refused.status_code, refused.json()["code"]) == (409, "not_empty")
    assert "inside" in refused.json()["detail"]


def test_the_shared_folder_stays():
    refused = api.root().delete(f"folders/{make.folder().pk}")

    assert refused.status_code == 409


def test_lists_take_as_many_queries_for_five_rows_as_for_one(django_assert_num_queries):
    tenant = make.tenant()
    root = api.root()
    outer = tenancy.create_folder(tenant, actor=make.SYSTEM, name="Outer")
    for number in range(5):
        tenancy.create_folder(outer, actor=make.SYSTEM, name=f"Inner {number}")
    root.get("folders")

    with django_assert_num_queries(4):
        root.get("folders", {"parent": outer.pk, "page_size": 1})
    with django_assert_num_queries(4):
        root.get("folders", {"parent": outer.pk, "page_size": 5})
