"""The keys with which programs call."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from apps.accounts import services
from apps.accounts.models import ApiToken
from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.errors import Invalid, NotAllowed
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant():
    return make.tenant()


def key_for(user, tenant, actor=make.SYSTEM, **facts):
    return services.create_api_key(user, actor=actor, tenant=tenant, name="ci", **facts)


def test_a_key_is_shown_once_and_ends_after_a_while(tenant):
    user = make.user()

    key, text = key_for(user, tenant)

    assert ApiToken.matching(text) == key
    assert text not in str(vars(key))
    assert timedelta(days=89) < key.expires_at - key.created_at.replace() < timedelta(days=91)
    assert text not in str(AuditEntry.objects.about(key).get().after)


def test_everybody_makes_and_ends_their_own(tenant):
    user = make.user()
    key, text = key_for(user, tenant, actor=Actor.person(user))

    services.revoke_api_key(key, actor=Actor.person(user))

    assert ApiToken.matching(text) is None


def test_a_person_s_key_is_made_by_nobody_else(tenant):
    keeper = Actor.person(make.user("accounts.add_apitoken", inside=tenant))

    with pytest.raises(NotAllowed, match="makes their own"):
        key_for(make.user(), tenant, actor=keeper)


def test_whoever_keeps_keys_makes_them_for_service_accounts_of_their_tenant(tenant, system):
    keeper = Actor.person(make.user("accounts.add_apitoken", inside=tenant))
    account = services.create_service_account(tenant, actor=system, name="sap")

    assert key_for(account, tenant, actor=keeper)
    with pytest.raises(NotAllowed):
        key_for(account, make.tenant(), actor=keeper)


def test_a_key_of_one_tenant_makes_none_for_another(tenant):
    user = make.user(superuser=True)

    with pytest.raises(Invalid, match="another tenant"):
        key_for(user, make.tenant(), actor=Actor.person(user, tenant_id=tenant.pk))


def test_a_service_account_has_keys_in_its_own_tenant_only(tenant, system):
    account = services.create_service_account(tenant, actor=system, name="sap")

    with pytest.raises(Invalid, match="own tenant"):
        key_for(account, make.tenant())


@pytest.mark.parametrize("life", [timedelta(0), timedelta(days=-1), timedelta(days=366)])
def test_a_life_out_of_range_is_refused(tenant, life):
    with pytest.raises(Invalid, match="life"):
        key_for(make.user(), tenant, life=life)


def test_a_key_without_an_end_is_made_where_it_is_asked_for(tenant):
    assert key_for(make.user(), tenant, life=None)[0].expires_at is None


def test_an_expired_key_is_no_key(tenant):
    key, text = key_for(make.user(), tenant)

    ApiToken.objects.filter(pk=key.pk).update(expires_at=Now() - timedelta(seconds=1))

    assert ApiToken.matching(text) is None


def test_revoking_again_changes_nothing(tenant, system):
    key, _ = key_for(make.user(), tenant)
    first = services.revoke_api_key(key, actor=system).revoked_at

    assert services.revoke_api_key(key, actor=system).revoked_at == first
    assert AuditEntry.objects.about(key).filter(action="api_key.revoked").count() == 1


def test_another_s_key_is_not_theirs_to_end(tenant):
    key, _ = key_for(make.user(), tenant)

    with pytest.raises(NotAllowed):
        services.revoke_api_key(key, actor=Actor.person(make.user()))
