"""People and service accounts."""

import pytest

from apps.accounts import services
from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed, NotSignedIn
from tests import make

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery staple"


def keeper():
    return Actor.person(make.user("accounts.add_user", "accounts.change_user"))


def create(username="Ada", **facts):
    return services.create_user(username, actor=make.SYSTEM, **{"password": PASSWORD} | facts)


def test_somebody_can_sign_in_with_their_password():
    user = create(email=" Ada@Example.org ")

    assert user.check_password(PASSWORD)
    assert (user.username, user.email, user.is_staff, user.is_superuser) == ("ada", "ada@example.org", True, False)
    assert PASSWORD not in str(AuditEntry.objects.about(user).get().after)


def test_without_a_password_nobody_can_sign_in_yet():
    assert not create(password=None).has_usable_password()


@pytest.mark.parametrize("password", ["short", "password1234", "ada-ada-ada"])
def test_a_weak_password_is_refused_by_name(password):
    with pytest.raises(Invalid) as refusal:
        create("ada-ada-ada", password=password)

    assert {problem.field for problem in refusal.value.problems} == {"password"}


@pytest.mark.parametrize(
    ("facts", "field"), [({}, "username"), ({"username": "b", "email": "Ada@Example.com"}, "email")]
)
def test_names_and_addresses_are_taken_once_whatever_their_case(facts, field):
    create("ADA", email="ada@example.com")

    with pytest.raises(Conflict) as refusal:
        create(**{"username": "ada"} | facts)

    assert refusal.value.extra == {"field": field}


def test_a_time_zone_must_be_known():
    with pytest.raises(Invalid, match="time_zone"):
        create(time_zone="Mars/Olympus")


def test_facts_of_a_user_can_be_changed(system):
    user = services.update_user(create(), actor=system, name="Ada L.", time_zone="Europe/Paris")

    assert User.objects.get(pk=user.pk).name == "Ada L."
    entry = AuditEntry.objects.about(user).first()
    assert (entry.before["time_zone"], entry.after["time_zone"]) == ("UTC", "Europe/Paris")


@pytest.mark.parametrize("field", ["password", "is_active", "kind", "username", "tenant"])
def test_nothing_else_can_be_changed_that_way(system, field):
    user = create()

    with pytest.raises(Invalid) as refusal:
        services.update_user(user, actor=system, **{field: "x"})

    assert [problem.field for problem in refusal.value.problems] == [field]


def test_only_a_superuser_makes_superusers():
    user = create()

    with pytest.raises(Invalid, match="is_superuser"):
        services.update_user(user, actor=keeper(), is_superuser=True)
    with pytest.raises(Invalid, match="is_superuser"):
        services.create_user("eve", actor=keeper(), password=None, is_superuser=True)
    assert services.update_user(user, actor=Actor.person(make.user(superuser=True)), is_superuser=True).is_superuser


@pytest.mark.parametrize(
    "operation",
    [
        lambda user, actor: services.update_user(user, actor=actor, email="eve@example.org"),
        lambda user, actor: services.set_password(user, actor=actor, password=PASSWORD),
        lambda user, actor: services.disable_user(user, actor=actor),
        lambda user, actor: services.enable_user(user, actor=actor),
    ],
)
def test_only_a_superuser_changes_a_superuser(operation):
    with pytest.raises(NotAllowed, match="superuser"):
        operation(make.user(superuser=True), keeper())


def test_the_last_administrator_stays(system):
    User.objects.filter(is_superuser=True).update(is_active=False)
    last = make.user(superuser=True)

    with pytest.raises(Conflict, match="last administrator"):
        services.update_user(last, actor=system, is_superuser=False)
    last.refresh_from_db()
    with pytest.raises(Conflict, match="last administrator"):
        services.disable_user(last, actor=system)


def test_others_can_be_changed_where_there_is_no_administrator_yet(system):
    User.objects.filter(is_superuser=True).update(is_active=False)

    assert services.update_user(create(), actor=system, name="x").name == "x"


def test_everybody_may_choose_their_own_time_zone():
    user = create()

    services.update_profile(user, actor=Actor.person(user), time_zone="Europe/Paris")

    user.refresh_from_db()
    assert user.time_zone == "Europe/Paris"


def test_a_key_does_not_change_its_owner_s_password():
    user = create()
    key = Actor.person(user, tenant_id=make.tenant().pk)

    with pytest.raises(NotAllowed):
        services.set_password(user, actor=key, password=PASSWORD)


def test_a_disabled_user_is_let_in_no_more_until_enabled(system):
    user = services.disable_user(create(), actor=system, reason="left")

    with pytest.raises(NotSignedIn):
        Actor.person(user)
    assert services.enable_user(user, actor=system).is_active
    assert set(AuditEntry.objects.about(user).values_list("action", flat=True)) >= {"user.disabled", "user.enabled"}


def test_nobody_disables_themselves():
    boss = make.user(superuser=True)

    with pytest.raises(Conflict, match="yourself"):
        services.disable_user(boss, actor=Actor.person(boss))


def test_a_service_account_lives_in_one_tenant_and_has_no_password(system):
    tenant = make.tenant()

    account = services.create_service_account(tenant, actor=system, name=" SAP ")

    assert (account.username, account.tenant, account.is_service) == (f"{tenant.slug}/sap", tenant, True)
    assert not account.has_usable_password()
    assert Actor.person(account).tenant_id == tenant.pk
    with pytest.raises(Invalid, match="no password"):
        services.set_password(account, actor=system, password=PASSWORD)


@pytest.mark.parametrize(
    "operation",
    [
        lambda user, actor: services.create_user("x", actor=actor, password=None),
        lambda user, actor: services.update_user(user, actor=actor, name="x"),
        lambda user, actor: services.set_password(user, actor=actor, password=PASSWORD),
        lambda user, actor: services.update_profile(user, actor=actor, time_zone="UTC"),
        lambda user, actor: services.disable_user(user, actor=actor),
        lambda user, actor: services.enable_user(user, actor=actor),
        lambda user, actor: services.create_service_account(make.tenant(), actor=actor, name="x"),
    ],
)
def test_who_may_only_look_may_not(operation):
    with pytest.raises(NotAllowed):
        operation(create(), Actor.person(make.user("accounts.view_user")))


def test_users_are_seen_by_those_who_may_look_where_they_work():
    tenant = make.tenant()
    colleague, stranger = make.user("jobs.view_job", inside=tenant), make.user()
    viewer = make.user("accounts.view_user", inside=tenant)

    seen = set(User.objects.visible_to(Actor.person(viewer)))

    assert seen == {colleague, viewer}
    assert set(User.objects.visible_to(Actor.person(stranger))) == {stranger}
