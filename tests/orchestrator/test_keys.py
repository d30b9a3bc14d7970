"""A server whose keys open nothing says so before jobs fail for it."""

from __future__ import annotations

import base64
import secrets

import pytest

from apps.encryption import models
from apps.encryption.models import DataKey
from orchestrator.management.commands import doctor
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def forgotten():
    """Let each look at the keys be the first one of a process."""

    def forget() -> None:
        models.master_keys.cache_clear()
        models._unwrapped.cache_clear()

    yield forget
    forget()


def keys_of(client) -> dict:
    return next(check for check in client.get("/health/ready").json()["checks"] if check["name"] == "keys")


def test_the_right_keys_are_none_to_speak_of(client):
    make.asset(type="secret", value=None, secrets={"value": "x"})

    assert keys_of(client)["status"] == "ok"
    assert [finding.to_do for finding in doctor._keys()] == [""]


def test_a_master_key_that_was_lost_puts_a_server_out_of_service(client, settings, forgotten):
    key = DataKey.objects.current_of(make.tenant().pk)
    forgotten()
    settings.MASTER_KEYS = [f"{key.master}:{base64.b64encode(secrets.token_bytes(32)).decode()}"]

    told = keys_of(client)

    assert client.get("/health/ready").status_code == 503
    assert "Give MASTER_KEYS every key" in told["what_to_do"]
    assert "MASTER_KEYS" in next(doctor._keys()).to_do


def test_what_is_no_key_is_told_without_being_shown(client, settings, forgotten):
    DataKey.objects.current_of(make.tenant().pk)
    forgotten()
    settings.MASTER_KEYS = ["first:hunter2"]

    told = keys_of(client)

    assert "key first must be 32 random bytes" in told["detail"]
    assert "hunter2" not in str(told)
