"""Registering over HTTP, with a machine's key and with one that serves many machines."""

from __future__ import annotations

import json

import pytest

from apps.robots import services as robots
from apps.robots.models import EnrolmentKey, Machine, Robot
from tests import make

pytestmark = pytest.mark.django_db


def register(client, key, surface="/api/v1", headers=None, **said):
    told = {"name": "invoices-1", "machine_key": key, "machine_signature": "host a", "machine_name": "host-1"} | said
    path = f"{surface}/runner/register-robot"
    return client.post(path, json.dumps(told), content_type="application/json", headers=headers or {})


@pytest.mark.parametrize("surface", ["/api/v1", "/api"])
def test_a_robot_registers_with_an_enrolment_key_and_is_known_again(client, surface):
    key, text = make.enrolment_key_with_text()

    first, again = (register(client, text, surface) for _ in range(2))

    robot = Robot.objects.get()
    assert first.json() == again.json()
    assert (first.json()["robot_id"], first.json()["machine_id"]) == (str(robot.pk), str(robot.machine_id))
    assert first.json()["api_token"].startswith("bvr_")
    assert Machine.objects.get().made_by == key


def test_the_token_opens_a_session(client):
    _, text = make.enrolment_key_with_text()
    token = register(client, text).json()["api_token"]

    opened = client.post(
        "/api/v1/runner/sessions",
        json.dumps({"instance_id": "0b2f3d0c-6f0c-4a3e-9b61-0a7f5f0a5a11", "machine_signature": "HOST  a"}),
        content_type="application/json",
        headers={"X-Robot-Token": token},
    )

    assert opened.status_code == 201


@pytest.mark.parametrize("make_key", [make.enrolment_key_with_text, lambda: robots.create_machine(
    make.tenant(), actor=make.SYSTEM, name="host-1")])  # fmt: skip
def test_a_robot_may_say_that_it_leaves_by_itself(client, make_key):
    _, text = make_key()

    register(client, text, ephemeral=True)

    assert Robot.objects.get().is_ephemeral


def test_the_network_is_that_of_the_client_behind_our_proxies(client, settings):
    settings.TRUSTED_PROXIES = ["127.0.0.0/8"]
    _, text = make.enrolment_key_with_text(networks=["10.1.0.0/16"])

    inside = register(client, text, headers={"X-Forwarded-For": "10.1.2.3"})
    outside = register(client, text, headers={"X-Forwarded-For": "10.2.2.3"})
    forged = register(client, text, headers={"X-Forwarded-For": "10.1.2.3, 192.0.2.1"})

    assert inside.status_code == 200
    assert (outside.status_code, outside.json()["code"]) == (403, "enrolment_network")
    assert (forged.status_code, "192.0.2.1" in forged.json()["detail"]) == (403, True)


def test_a_key_that_is_used_up_is_refused(client):
    key, text = make.enrolment_key_with_text(most_uses=1)
    EnrolmentKey.objects.filter(pk=key.pk).update(uses=1)

    refused = register(client, text)

    assert (refused.status_code, refused.json()["code"]) == (409, "enrolment_used_up")


def test_a_key_that_is_revoked_is_refused(client):
    key, text = make.enrolment_key_with_text()
    robots.revoke_enrolment_key(key, actor=make.SYSTEM)

    refused = register(client, text)

    assert (refused.status_code, refused.json()["code"]) == (401, "bad_machine_key")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"ephemeral": "yes"}, "ephemeral"), ({"machine_signature": " "}, "machine_signature"), ({"name": ""}, "name")],
)
def test_what_cannot_be_is_refused_by_name(client, wrong, field):
    _, text = make.enrolment_key_with_text()

    refused = register(client, text, **wrong)

    assert (refused.status_code, [one["field"] for one in refused.json()["errors"]]) == (400, [field])


def test_no_key_is_in_any_log_line(client, caplog):
    _, text = make.enrolment_key_with_text(networks=["192.0.2.0/24"])

    register(client, text)

    assert text[4:14] not in caplog.text
