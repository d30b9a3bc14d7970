"""Where a new thing goes: by body, by header, or because there is only one place."""

from __future__ import annotations

import uuid

import pytest

from apps.accounts import services as accounts
from apps.rbac import services as rbac
from apps.rbac.models import Role
from apps.tenancy import services as tenancy
from tests import api, make

pytestmark = pytest.mark.django_db


@pytest.fixture
def developer():
    """Makes an API key of somebody who may make processes in some tenants, or a session."""

    def of(*tenants):
        person = make.user()
        role = Role.objects.get(name="Developer", tenant=None)
        for tenant in tenants:
            rbac.assign_role(role, actor=make.SYSTEM, user=person, tenant=tenant)
        return api.Caller(person)

    return of


def make_process(caller: api.Caller, version, body=None, **headers):
    name = f"process-{uuid.uuid4().hex[:8]}"
    return caller.post("processes", {"name": name, "package": version.package_id, **(body or {})}, **headers)


def test_with_one_tenant_it_is_its_shared_folder(developer):
    version = make.package_version(make.folder(make.tenant()))

    made = make_process(developer(version.tenant), version)

    assert made.status_code == 201
    assert made.json()["folder"]["name"] == "Shared"


def test_with_several_tenants_the_refusal_names_the_header(developer):
    version = make.package_version(make.folder(make.tenant()))

    refused = make_process(developer(version.tenant, make.tenant()), version)

    assert api.fields_refused(refused) == {"X-Tenant"}
    assert "X-Folder-ID" in refused.json()["detail"]


def test_a_tenant_is_named_by_slug_or_by_id(developer):
    version = make.package_version(make.folder(make.tenant()))
    caller = developer(version.tenant, make.tenant())

    by_slug = make_process(caller, version, **{"X-Tenant": version.tenant.slug})
    by_id = make_process(caller, version, **{"X-Tenant": str(version.tenant_id)})

    assert (by_slug.status_code, by_id.status_code) == (201, 201)


def test_a_tenant_one_does_not_see_is_not_there(developer):
    version = make.package_version(make.folder(make.tenant()))

    refused = make_process(developer(version.tenant), version, **{"X-Tenant": make.tenant().slug})

    assert api.fields_refused(refused) == {"X-Tenant"}


def test_who_sees_no_tenant_is_told_so(developer):
    refused = developer().post("machines", {"name": "one"})

    assert api.fields_refused(refused) == {"X-Tenant"}
    assert refused.json()["errors"][0]["code"] == "no_tenant"


def test_a_folder_is_named_in_the_body_or_by_header(developer):
    version = make.package_version(make.folder(make.tenant()))
    folder = tenancy.create_folder(version.tenant, actor=make.SYSTEM, name="Inner")
    caller = developer(version.tenant)

    in_body = make_process(caller, version, {"folder": folder.pk})
    by_header = make_process(caller, version, **{"X-Folder-ID": str(folder.pk)})

    assert in_body.json()["folder"]["id"] == str(folder.pk)
    assert by_header.json()["folder"]["id"] == str(folder.pk)


def test_body_and_header_must_not_contradict_each_other(developer):
    version = make.package_version(make.folder(make.tenant()))
    folder = tenancy.create_folder(version.tenant, actor=make.SYSTEM, name="Inner")
    shared = make.folder(version.tenant)

    refused = make_process(developer(version.tenant), version, {"folder": folder.pk}, **{"X-Folder-ID": str(shared.pk)})

    assert api.fields_refused(refused) == {"folder"}


def test_folder_and_tenant_must_not_contradict_each_other(developer):
    version, other = make.package_version(make.folder(make.tenant())), make.tenant()
    caller = developer(version.tenant, other)
    facts = {"X-Tenant": other.slug, "X-Folder-ID": str(make.folder(version.tenant).pk)}

    refused = make_process(caller, version, **facts)

    assert api.fields_refused(refused) == {"X-Tenant"}


@pytest.mark.parametrize("folder", ["7", "0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22"])
def test_a_folder_that_is_not_there_is_refused_by_name(developer, folder):
    version = make.package_version(make.folder(make.tenant()))
    caller = developer(version.tenant)

    in_body = make_process(caller, version, {"folder": folder})
    by_header = make_process(caller, version, **{"X-Folder-ID": folder})

    assert api.fields_refused(in_body) == {"folder"}
    assert api.fields_refused(by_header) == {"X-Folder-ID"}


def test_a_folder_of_another_tenant_is_not_there(developer):
    version = make.package_version(make.folder(make.tenant()))
    elsewhere = make.folder(make.tenant())

    refused = make_process(developer(version.tenant), version, {"folder": elsewhere.pk})

    assert api.fields_refused(refused) == {"folder"}


def test_a_key_says_the_tenant_by_itself():
    tenant, other = make.tenant(), make.tenant()
    account = accounts.create_service_account(tenant, actor=make.SYSTEM, name="ci")
    rbac.assign_role(
        Role.objects.get(name="Administrator", tenant=None), actor=make.SYSTEM, user=account, tenant=tenant
    )
    program = api.Caller(account, key_in=tenant)

    made = program.post("machines", {"name": "one"})
    refused = program.post("machines", {"name": "two"}, **{"X-Tenant": other.slug})

    assert made.json()["tenant"] == str(tenant.pk)
    assert api.fields_refused(refused) == {"X-Tenant"}
