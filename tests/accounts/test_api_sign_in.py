"""Signing in over the API, and how often one may try."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client

from apps.accounts import services
from apps.accounts.models import SignInTry, TryOutcome, UserSession
from apps.audit.models import AuditEntry
from apps.configuration import services as configuration
from apps.core.actors import Actor
from tests import make

LOGIN = "/api/v1/auth/login"
GUESSER, OWNER, CAFE = "203.0.113.9", "198.51.100.7", "192.0.2.5"


@pytest.fixture(autouse=True)
def behind_a_proxy(settings):
    settings.TRUSTED_PROXIES = ["127.0.0.0/8"]


@pytest.fixture(autouse=True)
def quick_hashes(request, settings):
    """How slow a hash is matters to one test alone."""
    if "the_work_is_the_same" not in request.node.name:
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def person(**facts):
    user = make.user(**facts)
    services.set_password(user, actor=make.SYSTEM, password=make.PASSWORD)
    return user


def tries(username, password=make.PASSWORD, address=OWNER, root="/api/v1/", **more):
    body = {"username": username, "password": password, **more}
    return Client().post(f"{root}auth/login", body, "application/json", headers={"X-Forwarded-For": address})


def told(answer):
    """What of an answer could tell cases apart."""
    body = answer.json()
    body.pop("request_id", None)
    return answer.status_code, body, answer.headers.get("Retry-After"), answer.headers.get("WWW-Authenticate")


@pytest.mark.django_db
class TestSigningIn:
    @pytest.mark.parametrize("root", ["/api/v1/", "/api/", "/acme/orchestrator_/"])
    def test_a_name_and_a_password_as_a_form_or_json_give_a_token_that_works_everywhere(self, root):
        ann = person()
        form = urlencode({"username": ann.username.upper(), "password": make.PASSWORD})

        answer = Client().post(f"{root}auth/login", form, "application/x-www-form-urlencoded")
        token = answer.json()["access_token"]

        assert (answer.status_code, answer.json()["token_type"], token[:4]) == (200, "bearer", "bvp_")
        assert answer.headers["Cache-Control"] == "no-store"
        assert tries(ann.username, root=root).json()["access_token"] != token
        asked = Client(headers={"Authorization": f"Bearer {token}"})
        assert asked.get(f"{root}auth/me").json()["user"]["username"] == ann.username
        assert asked.get(f"{root}me").json()["user"]["id"] == str(ann.pk)
        kept = UserSession.objects.filter(user=ann).first()
        assert token.split("_")[2] not in str(kept.__dict__)
        assert kept.expires_at - kept.proved_at == timedelta(hours=8)
        assert asked.post(f"{root}auth/logout", "", "application/json").status_code == 204
        assert asked.get(f"{root}me").status_code == 401
        actions = list(AuditEntry.objects.filter(target_id=ann.pk).order_by("seq").values_list("action", flat=True))
        assert actions[-3:] == ["user.signed_in", "user.signed_in", "user.signed_out"]

    def test_f9_what_fails_is_answered_alike_whoever_it_was(self):
        ann, gone = person(), person()
        services.disable_user(gone, actor=make.SYSTEM)
        account = make.service_account(make.tenant())
        for _ in range(6):
            tries("locked-name", "wrong", GUESSER)

        cases = {
            "wrong": tries(ann.username, "wrong"),
            "unknown": tries("nobody-here", "wrong"),
            "disabled": tries(gone.username),
            "no password": tries(account.username, "wrong"),
            "locked": tries("locked-name", "wrong", GUESSER),
        }

        assert [told(one) for one in cases.values()] == [told(cases["wrong"])] * 5
        assert cases["wrong"].json()["detail"] == "Invalid credentials"
        assert cases["wrong"].status_code == 401

    def test_f9_the_work_is_the_same_whether_there_is_such_a_user(self):
        ann = person()
        took = {ann.username: [], "nobody-here": []}
        configuration.change_settings("security", actor=make.SYSTEM, values={"max_failed_logins": 100})
        for _ in range(5):
            for name, times in took.items():
                began = time.perf_counter()
                tries(name, "wrong")
                times.append(time.perf_counter() - began)

        there, missing = (statistics.median(times) for times in took.values())
        # A password that nobody looks at would take a tenth.
        assert 0.5 < there / missing < 2

    def test_what_was_typed_into_the_wrong_field_is_kept_nowhere(self):
        tries("my secret password", "x")

        entry = AuditEntry.objects.filter(action="user.sign_in_failed").latest("seq")

        assert "my secret" not in str(entry.__dict__)
        assert len(entry.after["unknown_name"]) == 16
        assert "my secret" not in str(list(SignInTry.objects.values()))


@pytest.mark.django_db
class TestTryingTooOften:
    def test_f8_who_guesses_from_elsewhere_never_keeps_the_owner_out(self):
        ann = person()
        tries(ann.username, address=OWNER)
        for number in range(30):  # From as many networks, until the account takes no more from strangers.
            tries(ann.username, "wrong", f"10.0.{number}.1")
        for _ in range(6):
            tries(ann.username, "wrong", GUESSER)

        assert tries(ann.username, address=CAFE).status_code == 401
        assert tries(ann.username, address=GUESSER).status_code == 401
        assert tries(ann.username, address=OWNER).status_code == 200
        assert SignInTry.objects.filter(outcome=TryOutcome.FAILED).count() == 20

    def test_a_network_takes_a_hundred_failures_an_hour_and_then_those_it_knows(self):
        ann, ben = person(), person()
        tries(ann.username, address=OWNER)
        rows = [SignInTry(account=f"{n:064}", network="198.51.100.0/24", is_by_stranger=True) for n in range(100)]
        SignInTry.objects.bulk_create(rows)

        assert tries(ann.username, address=OWNER).status_code == 200
        assert tries(ben.username, address=OWNER).status_code == 401
        assert tries(ben.username, address=CAFE).status_code == 200

    def test_the_wait_grows_with_each_failure_and_a_success_ends_it(self):
        ann = person()
        for _ in range(7):
            tries(ann.username, "wrong")

        def later(**span):
            SignInTry.objects.update(created_at=F("created_at") - timedelta(**span))
            return tries(ann.username, "wrong"), SignInTry.objects.count()

        assert SignInTry.objects.count() == 5
        assert later(minutes=14)[1] == 5
        assert later(minutes=2)[1] == 6
        assert later(minutes=16)[1] == 6
        assert later(minutes=15)[1] == 7
        SignInTry.objects.update(created_at=F("created_at") - timedelta(hours=1, minutes=1))
        assert tries(ann.username).status_code == 200
        assert tries(ann.username, "wrong").status_code == 401
        assert tries(ann.username).status_code == 200

    def test_an_administrator_unlocks(self):
        ann = person()
        for _ in range(6):
            tries(ann.username, "wrong")
        before = tries(ann.username).status_code

        services.unlock_user(ann, actor=Actor.person(make.user("accounts.change_user")), reason="called")

        assert (before, tries(ann.username).status_code) == (401, 200)
        assert AuditEntry.objects.filter(action="user.unlocked", reason="called").exists()

    def test_a_key_of_idempotence_does_not_undo_the_count(self):
        ann = person()
        token = tries(ann.username).json()["access_token"]
        asked = Client(headers={"Authorization": f"Bearer {token}", "X-Forwarded-For": GUESSER})
        body = {"current_password": "wrong", "new_password": "another horse battery staple"}
        answers = []
        for number in range(7):
            key = {"Idempotency-Key": f"k{number}"}
            answers.append(asked.post("/api/v1/me/change-password", body, "application/json", headers=key).status_code)
            asked.post(LOGIN, {"username": "x", "password": "y"}, "application/json", headers=key)

        assert answers == [400] * 5 + [503] * 2
        assert SignInTry.objects.filter(outcome=TryOutcome.FAILED).count() == 10


@pytest.mark.django_db(transaction=True)
def test_f8_of_two_hundred_at_once_no_more_are_looked_at_than_the_bound_allows():
    ann, ben = person(), person()

    def call(number):
        try:
            # Half of them at one account from one place, half at another from as many networks.
            at = (ben.username, "wrong", GUESSER) if number % 2 else (ann.username, "wrong", f"10.0.{number}.1")
            return tries(*at).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(call, range(200)))

    assert set(answers) <= {401, 503}
    here = SignInTry.objects.filter(network="203.0.113.0/24")
    assert here.count() == 5
    assert SignInTry.objects.exclude(network="203.0.113.0/24").count() == 20
    assert AuditEntry.objects.filter(action="user.sign_in_failed").count() == 25
