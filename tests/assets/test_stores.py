"""Secrets that lie in a store of others: read there when they are needed, and given from nowhere else."""

from __future__ import annotations

import pytest

from apps.assets.models import AssetValue, CredentialStore
from apps.assets.services import _vault
from apps.audit.models import AuditEntry
from tests import api, make
from tests.runner.test_job_tokens import started
from tests.stand_in import StandIn

pytestmark = pytest.mark.django_db

CANARY = "from-the-store-canary"


@pytest.fixture
def vault(settings):
    """A store that has one secret, and asks for its token."""
    settings.OUTGOING_ALLOWED = ["127.0.0.1/32"]
    _vault._kept.clear()
    with StandIn() as server:

        def answered(status, body, headers=None):
            def answer(handler):
                if handler.headers["X-Vault-Token"] != "vault-canary":
                    return 403, {"errors": ["permission denied"]}
                return status, body, headers or {}

            return answer

        server.answered = answered
        server.place = "/v1/secret/data/robots/team/bank"
        server.answers[server.place] = answered(200, {"data": {"data": {"pw": CANARY, "other": 7}}})
        server.answers["/v1/auth/token/lookup-self"] = answered(200, {"data": {}})
        yield server
    _vault._kept.clear()


@pytest.fixture
def job():
    process = make.process(make.folder())
    make.job(process)
    return process.folder, started(make.claimed(make.session(make.robot(of=process.tenant))))


def store_in(folder, vault, **fields):
    return make.credential_store(folder.tenant, address=vault.url, path_prefix="robots", namespace="ns", **fields)


def asset_in(store, folder, **fields):
    body = {
        "name": "Bank", "folder": folder.pk, "kind": "password", "value": {"username": "ada"},
        "store": store.pk, "path": "team/bank", "keys": {"password": "pw"},
    }  # fmt: skip
    return api.root().post("credentials", body | fields)


def resolve(speaker):
    return speaker.post("/api/runtime/secrets/resolve", {"name": "Bank.password"})


def test_a_secret_is_read_there_at_delivery_and_stored_nowhere(vault, job):
    folder, speaker = job
    made = asset_in(store_in(folder, vault), folder)

    answers = [resolve(speaker), resolve(speaker)]

    assert made.status_code == 201, made.content
    assert [one.json() for one in answers] == [{"value": CANARY}] * 2
    assert answers[0].headers["Cache-Control"] == "no-store"
    [asked] = vault.requests  # The second time it was remembered.
    assert (asked.method, asked.target, asked.headers["X-Vault-Namespace"]) == ("GET", vault.place, "ns")
    rows = f"{list(AssetValue.objects.values())}{list(CredentialStore.objects.values())}"
    trail = f"{list(AuditEntry.objects.values())}"
    assert [word in rows + trail for word in (CANARY, "vault-canary")] == [False, False]
    assert AuditEntry.objects.filter(action="asset.delivered").count() == 2
    shown = api.root().get(f"credentials/{made.json()['id']}/values").json()["items"][0]
    assert (shown["store"]["id"], shown["path"]) == (str(CredentialStore.objects.latest("pk").pk), "team/bank")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (503, {"errors": ["Vault is sealed"]}, "sealed"),
        (404, {"data": {"data": None}}, "has nothing there"),
        (302, {}, "status 302"),
        (200, b"x" * 70_000, "more than 65536 bytes"),
        (200, b"<html>" + CANARY.encode(), "no JSON"),
        (200, {"data": {"data": {"pw": {"a": CANARY}}}}, "no text"),
        (200, {"data": {"data": {"password": CANARY}}}, "no text for password"),
    ],
)
def test_h4_where_it_cannot_be_had_the_delivery_is_refused_and_nothing_else_is_given(vault, job, status, body, said):
    folder, speaker = job
    asset_in(store_in(folder, vault), folder)
    vault.answers[vault.place] = vault.answered(status, body, {"Location": f"{vault.url}/elsewhere"})

    answer = resolve(speaker)

    assert (answer.status_code, answer.json()["code"]) == (503, "store_failed")
    assert said in answer.json()["detail"]
    assert "Retry-After" in answer.headers
    assert CANARY.encode() not in answer.content
    assert len(vault.requests) == 1
    assert AuditEntry.objects.filter(action="asset.not_delivered").count() == 1


def test_a_slow_store_is_given_up_and_a_wrong_token_is_said(vault, job, monkeypatch):
    monkeypatch.setattr(_vault, "_SECONDS", 0.5)
    folder, speaker = job
    store = store_in(folder, vault)
    asset_in(store, folder)
    caller = api.root()

    vault.answers[vault.place] = vault.drip
    slow = resolve(speaker)
    fine = caller.post(f"credential-stores/{store.pk}/test")
    changed = caller.call("PUT", f"credential-stores/{store.pk}", {"token": "another"})
    wrong = [caller.post(f"credential-stores/{store.pk}/test"), resolve(speaker)]

    assert "did not answer within 0.5 seconds" in slow.json()["detail"]
    assert fine.json() == {"ok": True}
    assert changed.status_code == 200
    assert [one.status_code for one in wrong] == [503, 503]
    assert "refused our token" in wrong[0].json()["detail"]


def test_stores_are_made_changed_and_deleted(vault):
    folder, caller = make.folder(), api.root()
    body = {"name": "Vault", "type": "hashicorp_vault", "address": vault.url, "token": "vault-canary"}
    tenant = {"X-Tenant": folder.tenant.slug}

    made = caller.post("credential-stores", body, **tenant)
    address = f"credential-stores/{made.json()['id']}"
    listed = caller.get("credential-stores", {"tenant": str(folder.tenant_id)}).json()["items"]
    own = next(one for one in listed if one["is_default"])

    assert made.status_code == 201, made.content
    assert (own["name"], own["type"]) == ("Orchestrator Store", "internal_db")
    assert b"canary" not in made.content
    assert caller.delete(f"credential-stores/{own['id']}").status_code == 409
    assert caller.post(f"credential-stores/{own['id']}/test").json() == {"ok": True}
    assert api.fields_refused(caller.patch(address, {"address": "https://evil.example"})) == {"token"}
    assert api.fields_refused(caller.patch(address, {"address": "https://10.0.0.1", "token": "x"})) == {"address"}
    assert api.fields_refused(caller.patch(address, {"mount": "../sys"})) == {"mount"}
    assert caller.post("credential-stores", body, **tenant).status_code == 409
    asset = asset_in(CredentialStore.objects.get(pk=made.json()["id"]), folder)
    assert caller.delete(address).status_code == 409
    caller.delete(f"credentials/{asset.json()['id']}")
    assert caller.delete(address).status_code == 204
    assert CredentialStore.objects.get(pk=made.json()["id"]).token == ""


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"path": "../other"}, {"path"}),
        ({"path": ""}, {"path"}),
        ({"keys": {"username": "x"}}, {"keys"}),
        ({"secrets": {"password": "x"}}, {"secrets"}),
        ({"value": {}}, {"username"}),
    ],
)
def test_what_does_not_fit_is_refused_by_field(vault, change, wrong):
    folder = make.folder()

    assert api.fields_refused(asset_in(store_in(folder, vault), folder, **change)) == wrong


def test_e9_a_store_takes_a_right_of_its_own_and_stays_in_its_tenant(vault):
    folder = make.folder()
    store, foreign = store_in(folder, vault), store_in(make.folder(), vault)
    may = ("assets.view_asset", "assets.add_asset", "assets.view_credentialstore", "tenancy.view_folder")
    maker = api.Caller(make.user(*may, inside=folder.tenant))
    body = {"name": "Bank", "folder": folder.pk, "type": "secret", "store": store.pk, "path": "a"}

    assert maker.post("assets", body).status_code == 403
    assert api.fields_refused(maker.post("assets", body | {"store": foreign.pk})) == {"store"}
