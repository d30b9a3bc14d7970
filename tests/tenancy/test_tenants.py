"""Tenants."""

import pytest

from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.errors import Invalid, NotAllowed
from apps.core.states import TransitionError
from apps.tenancy import services
from apps.tenancy.models import Folder
from tests import make
from tests.jobs.reports import told

pytestmark = pytest.mark.django_db


def test_a_tenant_has_a_default_folder(system):
    tenant = services.create_tenant("Acme Ltd", actor=system)

    folder = Folder.objects.get(tenant=tenant)
    assert (tenant.slug, folder.name, folder.is_default, folder.depth) == ("acme-ltd", "Shared", True, 1)
    assert told(tenant) == ["tenant.created"]


@pytest.mark.parametrize("slug", ["Acme", "a b", "admin", "api", "metrics", "-"])
def test_a_slug_that_cannot_stand_in_an_address_is_refused(system, slug):
    with pytest.raises(Invalid, match="slug"):
        services.create_tenant("Acme", actor=system, slug=slug)


def test_a_slug_is_taken_once(system):
    services.create_tenant("Acme", actor=system)

    with pytest.raises(services.NameTaken):
        services.create_tenant("ACME", actor=system)


def test_a_tenant_can_be_renamed_and_keeps_its_slug(system):
    tenant = services.rename_tenant(services.create_tenant("Acme", actor=system), actor=system, name=" Acme Ltd ")

    assert (tenant.name, tenant.slug) == ("Acme Ltd", "acme")
    assert AuditEntry.objects.about(tenant).first().before == {"name": "Acme"}
    with pytest.raises(Invalid, match="name"):
        services.rename_tenant(tenant, actor=system, name=" ")


def test_a_tenant_is_suspended_and_resumed(system):
    tenant = make.tenant()

    assert services.suspend_tenant(tenant, actor=system, reason="unpaid").status == "suspended"
    with pytest.raises(TransitionError):
        services.suspend_tenant(tenant, actor=system)
    assert services.resume_tenant(tenant, actor=system).status == "active"
    assert told(tenant) == ["tenant.created", "tenant.suspended", "tenant.resumed"]


@pytest.mark.parametrize(
    "operation",
    [
        lambda tenant, actor: services.create_tenant("Mine", actor=actor),
        lambda tenant, actor: services.suspend_tenant(tenant, actor=actor),
        lambda tenant, actor: services.resume_tenant(tenant, actor=actor),
    ],
)
def test_tenants_are_the_installation_s_business(operation):
    tenant = make.tenant()
    inside = make.user("tenancy.add_tenant", "tenancy.change_tenant", inside=tenant)

    with pytest.raises(NotAllowed):
        operation(tenant, Actor.person(inside))


def test_who_may_only_look_may_not_rename(system):
    tenant = make.tenant()

    with pytest.raises(NotAllowed):
        services.rename_tenant(tenant, actor=Actor.person(make.user("tenancy.view_tenant", inside=tenant)), name="x")
