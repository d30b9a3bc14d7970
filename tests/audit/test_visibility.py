"""Who may read which entries of the trail."""

from __future__ import annotations

import pytest

from apps.audit import services
from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.rbac import services as rbac
from tests import make

VIEW = "audit.view_auditentry"

pytestmark = pytest.mark.django_db


def seen_by(person, **where):
    """The actions of the entries that a person sees, of those that a test wrote."""
    entries = rbac.visible(AuditEntry.objects.all(), Actor.person(person, **where), VIEW)
    return set(entries.filter(action__startswith="test.").values_list("action", flat=True))


@pytest.fixture
def tenants(system):
    """Two tenants with an entry each, beside one that concerns the whole installation."""
    mine, other = make.tenant(), make.tenant()
    services.record(system, "test.mine", mine)
    services.record(system, "test.other", other)
    services.record(system, "test.all", None)
    return mine, other


def test_a_superuser_reads_everything(tenants):
    assert seen_by(make.user(superuser=True)) == {"test.mine", "test.other", "test.all"}


def test_an_auditor_of_a_tenant_reads_its_entries_alone(tenants):
    mine, _ = tenants

    assert seen_by(make.user(VIEW, inside=mine)) == {"test.mine"}


def test_somebody_without_the_permission_reads_nothing(tenants):
    mine, _ = tenants

    assert seen_by(make.user("jobs.view_job", inside=mine)) == set()


def test_a_credential_of_one_tenant_reads_no_other_even_for_a_superuser(tenants):
    mine, _ = tenants

    assert seen_by(make.user(superuser=True), tenant_id=mine.pk) == {"test.mine"}
