"""OAuth2 clients: their jobs are given a token, never the client's secret."""

from __future__ import annotations

import base64
from datetime import timedelta
from urllib.parse import parse_qs

import pytest
import time_machine
from django.utils import timezone

from apps.assets import services
from apps.assets.models import AssetValue
from apps.assets.services import _oauth
from apps.audit.models import AuditEntry
from apps.core.errors import Invalid
from tests import make
from tests.make import SYSTEM
from tests.runner.test_job_tokens import started
from tests.stand_in import StandIn

pytestmark = pytest.mark.django_db

TOKEN, SECRET = "token-canary", "client-secret-canary"


@pytest.fixture
def issuer(settings):
    """Who gives tokens, a new one each time, for ten minutes."""
    settings.OUTGOING_ALLOWED = ["127.0.0.1/32"]
    with StandIn() as server:

        def answer(handler):
            return 200, {"access_token": f"{TOKEN}-{len(server.requests)}", "token_type": "Bearer", "expires_in": 600}

        server.answers["/token"] = answer
        yield server


@pytest.fixture
def job(issuer):
    process = make.process(make.folder())
    make.job(process)
    value = {"token_url": f"{issuer.url}/token", "client_id": "me", "scope": "read"}
    asset = make.credential(process.folder, name="Api", kind="oauth2", value=value, secrets={"client_secret": SECRET})
    return asset, started(make.claimed(make.session(make.robot(of=process.tenant))))


def resolve(speaker, field="access_token"):
    return speaker.post("/api/runtime/secrets/resolve", {"name": f"Api.{field}"})


def test_a_token_is_fetched_kept_sealed_and_renewed_before_it_ends(issuer, job):
    asset, speaker = job

    first, again = resolve(speaker), resolve(speaker)
    whole = speaker.get("/api/assets/credential/Api").json()

    assert (first.json(), again.json()) == ({"value": f"{TOKEN}-1"}, {"value": f"{TOKEN}-1"})
    assert set(whole) == {"access_token", "token_type", "expires_at"}
    [asked] = issuer.requests
    assert base64.b64decode(asked.headers["Authorization"].removeprefix("Basic ")).decode() == f"me:{SECRET}"
    assert parse_qs(asked.body.decode()) == {"grant_type": ["client_credentials"], "scope": ["read"]}
    assert resolve(speaker, "client_secret").status_code == 404
    stored = f"{list(AssetValue.objects.values())}{list(AuditEntry.objects.values())}"
    assert [word in stored for word in (TOKEN, SECRET)] == [False, False]

    with time_machine.travel(timezone.now() + timedelta(seconds=545)):
        assert _oauth.token_of(asset.values.get(), lambda: SECRET).text == f"{TOKEN}-2"


def test_a_value_set_anew_is_asked_for_anew(issuer, job):
    asset, speaker = job
    resolve(speaker)
    value = asset.values.get().value

    services.set_value(asset, actor=SYSTEM, value=value, secrets={"client_secret": "another"})

    assert resolve(speaker).json() == {"value": f"{TOKEN}-2"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((401, {"error": "invalid_client", "error_description": SECRET}), "401 (invalid_client)"),
        ((400, {"error": SECRET}), "status 400."),
        ((302, {}, {"Location": "https://8.8.8.8/"}), "status 302"),
        ((200, {"token": TOKEN}), "answered without one"),
        ((200, {"access_token": TOKEN, "expires_in": "soon"}), "answered without one"),
        ((200, b"y" * 70_000), "more than 65536 bytes"),
    ],
)
def test_h4_a_refusal_is_clear_and_says_nothing_secret(issuer, job, answer, said):
    _, speaker = job
    issuer.answers["/token"] = answer

    refused = resolve(speaker)

    assert (refused.status_code, refused.json()["code"]) == (503, "token_refused")
    assert said in refused.json()["detail"]
    assert b"canary" not in refused.content
    assert "canary" not in str(AuditEntry.objects.get(action="asset.not_delivered").after)


def test_g1_a_token_address_inside_is_refused_when_it_is_saved(settings):
    settings.OUTGOING_ALLOWED = []
    for url in ("https://169.254.169.254/t", "http://id.example/t", "https://127.0.0.1/t"):
        with pytest.raises(Invalid, match="token_url"):
            make.credential(kind="oauth2", value={"token_url": url, "client_id": "c"}, secrets={"client_secret": "x"})
