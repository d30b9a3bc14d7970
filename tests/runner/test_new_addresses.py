"""From where robots' tokens are used: the first use from each address is written down, however many come after."""

import json

import pytest
from django.test import Client

from apps.audit.models import AuditEntry
from tests import make

pytestmark = pytest.mark.django_db


def test_c6_a_robot_s_token_used_from_a_new_address_is_written_down_once():
    robot, token = make.robot_with_token()
    session = make.session(robot)
    client = Client(headers={"X-Robot-Token": token})

    for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.1"):
        assert client.get("/api/v1/runner/packages", REMOTE_ADDR=address).status_code == 200
    for seq in (1, 2):
        body = json.dumps({"session": str(session.pk), "seq": seq, "accepting": False})
        sync = client.post("/api/v1/runner/sync", body, "application/json", REMOTE_ADDR="192.0.2.3")
        assert sync.status_code == 200, sync.content

    entries = AuditEntry.objects.about(robot).filter(action="robot.used_from_new_address").order_by("seq")
    met = [(one.address, one.after["address"], one.actor_kind) for one in entries]
    assert met == [(address, address, "robot") for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3")]
