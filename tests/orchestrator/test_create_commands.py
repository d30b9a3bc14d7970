"""The commands that make the first administrator, tenant, machine and key."""

from __future__ import annotations

import io

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from apps.accounts.models import ApiToken, User
from apps.audit.models import AuditEntry
from apps.robots.models import Machine, MachineKey
from apps.tenancy.models import Folder, Tenant
from tests import make

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery staple"


def said(*arguments):
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def refusal(*arguments):
    with pytest.raises(CommandError) as refused:
        call_command(*arguments, stdout=io.StringIO())
    return str(refused.value)


@pytest.fixture
def password(monkeypatch):
    monkeypatch.setenv("BV_ADMIN_PASSWORD", PASSWORD)


@pytest.fixture
def terminal(monkeypatch):
    """Somebody at a terminal who types these words when asked for a password."""

    def types(*words):
        typed = iter(words)
        monkeypatch.delenv("BV_ADMIN_PASSWORD", raising=False)
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("getpass.getpass", lambda prompt: next(typed))

    return types


class TestCreateAdmin:
    def test_it_makes_somebody_who_may_do_everything(self, password):
        assert said("create_admin", "Ada", "--email", "Ada@Example.com") == "Made the administrator ada.\n"

        ada = User.objects.get(username="ada")
        assert (ada.is_superuser, ada.is_staff, ada.is_active, ada.email) == (True, True, True, "ada@example.com")
        assert ada.check_password(PASSWORD)

    def test_it_is_written_down(self, password):
        said("create_admin", "ada")

        entry = AuditEntry.objects.get(action="user.created")
        assert (entry.actor_kind, entry.actor_name) == ("system", "create_admin")
        assert PASSWORD not in str(entry.after)

    def test_a_password_can_be_made_up_and_is_shown_once(self):
        words = said("create_admin", "ada", "--generate")

        made_up = words.split("Password (shown this once): ")[1].strip()
        assert User.objects.get(username="ada").check_password(made_up)

    def test_a_person_is_asked_twice(self, terminal):
        terminal(PASSWORD, PASSWORD)

        said("create_admin", "ada")

        assert User.objects.get(username="ada").check_password(PASSWORD)

    def test_two_different_answers_are_refused(self, terminal):
        terminal(PASSWORD, "something else entirely")

        assert refusal("create_admin", "ada") == "The two passwords differ."
        assert not User.objects.filter(username="ada").exists()

    def test_nobody_to_ask_is_said(self, monkeypatch):
        monkeypatch.delenv("BV_ADMIN_PASSWORD", raising=False)
        monkeypatch.setattr("sys.stdin", io.StringIO())

        assert refusal("create_admin", "ada").startswith("There is nobody to ask for a password. Set BV_ADMIN_PASSWORD")

    def test_a_weak_password_is_refused(self, monkeypatch):
        monkeypatch.setenv("BV_ADMIN_PASSWORD", "password")

        assert "too common" in refusal("create_admin", "ada")
        assert not User.objects.filter(username="ada").exists()

    @pytest.mark.parametrize(
        ("words", "field"),
        [
            pytest.param(["  "], "username", id="no name"),
            pytest.param(["a" * 151], "username", id="a name too long"),
            pytest.param(["ada", "--email", "ada at home"], "email", id="no address"),
        ],
    )
    def test_facts_that_do_not_fit_are_refused_by_name(self, password, words, field):
        assert refusal("create_admin", *words).startswith(f"{field}: ")
        assert not User.objects.exists()

    def test_a_name_that_is_taken_is_refused(self, password):
        said("create_admin", "ada")

        assert refusal("create_admin", "ADA") == "There is a user with this username already."

    def test_one_that_is_there_can_be_left_alone(self, password):
        said("create_admin", "ada")

        assert said("create_admin", "Ada", "--if-none") == ""
        assert User.objects.filter(username="ada").count() == 1

    @pytest.mark.parametrize("lacking", [{"is_superuser": False}, {"is_active": False}])
    def test_somebody_who_is_no_administrator_is_not_taken_for_one(self, password, lacking):
        said("create_admin", "ada")
        User.objects.filter(username="ada").update(**lacking)

        assert "no active administrator" in refusal("create_admin", "ada", "--if-none")


class TestCreateTenant:
    def test_it_makes_a_tenant_with_its_default_folder(self):
        assert said("create_tenant", "Back Office") == "Made the tenant Back Office, slug back-office.\n"

        tenant = Tenant.objects.get(slug="back-office")
        assert Folder.objects.get(tenant=tenant).name == "Shared"

    def test_a_slug_can_be_chosen(self):
        said("create_tenant", "Back Office", "--slug", "bo")

        assert Tenant.objects.get(slug="bo").name == "Back Office"

    @pytest.mark.parametrize("slug", ["Back Office", "admin", "api"])
    def test_a_slug_that_cannot_stand_in_an_address_is_refused(self, slug):
        assert "reserved" in refusal("create_tenant", "Back Office", "--slug", slug)
        assert not Tenant.objects.exists()

    def test_a_name_that_does_not_fit_is_refused(self):
        assert refusal("create_tenant", "x" * 201).startswith("name: ")
        assert not Tenant.objects.exists()

    def test_a_long_name_makes_a_slug_that_fits(self):
        said("create_tenant", "Accounts payable " * 10)

        slug = Tenant.objects.get().slug
        assert len(slug) <= 63
        assert slug.startswith("accounts-payable-accounts")
        assert not slug.endswith("-")

    def test_a_slug_that_is_taken_is_refused(self):
        said("create_tenant", "Back Office")

        assert "back-office" in refusal("create_tenant", "Back Office")

    def test_any_that_is_there_can_be_enough(self):
        said("create_tenant", "Back Office")

        assert said("create_tenant", "Other", "--if-none") == ""
        assert Tenant.objects.count() == 1


class TestCreateApiKey:
    def test_it_shows_a_key_once_and_keeps_its_hash(self, password):
        tenant, ada = make.tenant(), make.user(superuser=True)

        words = said("create_api_key", ada.username.upper(), "--name", "nightly")

        assert words.startswith(f"API key of {ada.username} in {tenant.slug}: bv")
        text = words.split(": ")[1].strip()
        key = ApiToken.matching(text)
        assert (key.user, key.tenant, key.name) == (ada, tenant, "nightly")
        assert text not in (key.digest, key.public)

    def test_a_program_gets_the_key_and_nothing_else(self):
        make.tenant()
        ada = make.user(superuser=True)

        assert ApiToken.matching(said("create_api_key", ada.username, "--print-key").removesuffix("\n")).user == ada

    def test_it_works_as_long_as_asked(self):
        make.tenant()
        ada = make.user(superuser=True)

        said("create_api_key", ada.username, "--days", "7")

        key = ApiToken.objects.get()
        assert 6.9 < (key.expires_at - key.created_at).total_seconds() / 86_400 < 7.1

    @pytest.mark.parametrize("name", ["", " ", "x" * 101])
    def test_a_name_that_does_not_fit_is_refused(self, name):
        make.tenant()
        ada = make.user(superuser=True)

        assert refusal("create_api_key", ada.username, "--name", name).startswith("name: ")
        assert not ApiToken.objects.exists()

    @pytest.mark.parametrize("days", ["soon", "99999999999"])
    def test_a_life_that_is_no_number_is_refused(self, days):
        assert "is not a number" in refusal("create_api_key", "ada", "--days", days)

    @pytest.mark.parametrize("days", ["0", "-1", "366"])
    def test_a_life_that_is_none_or_too_long_is_refused(self, days):
        make.tenant()
        ada = make.user(superuser=True)

        assert "a key lives at most 365 days" in refusal("create_api_key", ada.username, "--days", days)

    def test_a_user_who_is_not_there_is_said(self):
        make.tenant()

        assert refusal("create_api_key", "nobody") == "There is no user 'nobody'."

    def test_no_tenant_is_said_with_what_to_do(self):
        ada = make.user(superuser=True)

        assert refusal("create_api_key", ada.username) == "There is no tenant. Make one: create_tenant."

    def test_one_of_several_tenants_must_be_named(self):
        wanted, _ = make.tenant(), make.tenant()
        ada = make.user(superuser=True)

        assert refusal("create_api_key", ada.username) == "There are several tenants. Name one with --tenant SLUG."
        assert refusal("create_api_key", ada.username, "--tenant", "x") == "There is no tenant 'x'."
        said("create_api_key", ada.username, "--tenant", wanted.slug)
        assert ApiToken.objects.get().tenant == wanted

    def test_the_oldest_of_several_tenants_can_be_meant(self):
        oldest, _ = make.tenant(), make.tenant()
        ada = make.user(superuser=True)

        said("create_api_key", ada.username, "--oldest-tenant")

        assert ApiToken.objects.get().tenant == oldest


class TestCreateMachine:
    def test_it_shows_an_enrolment_key_once(self):
        tenant = make.tenant()

        words = said("create_machine", "mill")

        machine = Machine.objects.get(name="mill")
        assert machine.tenant == tenant
        assert words.startswith("Enrolment key of mill: bv")
        assert MachineKey.matching(words.split(": ")[1].strip()).machine == machine

    def test_the_first_one_brings_its_tenant(self):
        key = said("create_machine", "mill", "--print-key").removesuffix("\n")

        assert MachineKey.matching(key).tenant == Tenant.objects.get(slug="default")

    def test_again_it_replaces_the_key(self):
        make.tenant()
        first = said("create_machine", "mill", "--print-key").removesuffix("\n")

        second = said("create_machine", "Mill", "--print-key").removesuffix("\n")

        assert Machine.objects.count() == 1
        assert MachineKey.matching(first) is None
        assert MachineKey.matching(second) is not None

    def test_a_tenant_that_is_not_there_is_not_made(self):
        assert refusal("create_machine", "mill", "--tenant", "x") == "There is no tenant 'x'."
        assert not Tenant.objects.exists()

    def test_a_name_that_is_none_is_refused(self):
        make.tenant()

        assert refusal("create_machine", " ")
        assert not Machine.objects.exists()
