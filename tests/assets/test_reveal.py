"""What is secret is shown to people one value at a time: with a right, a reason and a sign-in of the last minutes."""

from __future__ import annotations

import json

import pytest
from django.contrib.sessions.models import Session

from apps.assets import services
from apps.audit.models import AuditEntry
from apps.requests.models import IdempotencyRecord
from tests import api, make
from tests.admin.visitors import page_of, superuser, text_of
from tests.make import SYSTEM

pytestmark = pytest.mark.django_db

CANARY = "hunter2-canary"


def test_f_reveal_takes_a_right_a_reason_and_is_written_down():
    credential = make.credential(name="Bank")
    robot = make.robot(of=credential.tenant)
    place = services.Place(robot=robot)
    services.set_value(
        credential, actor=SYSTEM, value={"username": "bot"}, secrets={"password": "there-canary"}, place=place
    )
    caller, address = api.root(), f"credentials/{credential.pk}/reveal"

    shown = caller.post(address, {"reason": "locked out"}, **{"Idempotency-Key": "a-key"})
    there = caller.post(address, {"reason": "locked out", "robot": robot.pk, "field": "password"})
    refused = [
        api.fields_refused(caller.post(address, {"reason": reason}))
        for reason in ("why", "     ", " a    ")
    ]  # fmt: skip

    assert (shown.json(), there.json()) == ({"value": CANARY}, {"value": "there-canary"})
    assert shown.headers["Cache-Control"] == "no-store"
    assert refused == [{"reason"}] * 3
    assert api.fields_refused(caller.post(address, {"reason": "locked out", "field": "username"})) == {"field"}
    trail = AuditEntry.objects.filter(action="asset.revealed", target_id=credential.pk).order_by("seq")
    assert [(one.reason, one.after["place"], one.after["shown"]) for one in trail] == [
        ("locked out", "everywhere else", "password"), ("locked out", f"on the robot {robot.name}", "password")
    ]  # fmt: skip
    assert "canary" not in f"{list(AuditEntry.objects.values())}"
    assert CANARY.encode() not in b"".join(bytes(one.body) for one in IdempotencyRecord.objects.all())


def test_e9_neither_who_may_only_look_nor_a_key_is_shown_anything():
    secret = make.asset(type="secret", value=None, secrets={"value": CANARY})
    looker = api.Caller(make.user("assets.view_asset", "assets.change_asset", "assets.set_asset", inside=secret.folder))
    stranger = api.Caller(make.user("assets.reveal_asset", "assets.view_asset", inside=make.folder()))
    key = api.Caller(make.user(superuser=True), key_in=secret.tenant)
    body, address = {"reason": "locked out"}, f"assets/{secret.pk}/reveal"

    answers = [one.post(address, body) for one in (looker, stranger, key)]

    assert [one.status_code for one in answers] == [403, 404, 403]
    assert "API key cannot" in answers[2].json()["detail"]
    assert CANARY.encode() not in b"".join(one.content for one in answers)
    assert api.root().post(f"assets/{make.asset().pk}/reveal", body).status_code == 409


def test_the_admin_shows_it_once_on_a_page_that_nothing_keeps():
    credential, visitor = make.credential(), superuser()
    page = page_of(credential, "reveal")

    asked = visitor.get(page)
    refused = visitor.post(page, {"reason": "why", "field": "password", "place": ""})
    shown = visitor.post(page, {"reason": "locked out", "field": "password", "place": ""})
    after = visitor.open(credential)

    assert "reason" in text_of(asked)
    assert CANARY not in text_of(asked) + text_of(refused) + text_of(after)
    assert CANARY in text_of(shown)
    assert "no-store" in shown.headers["Cache-Control"]
    assert CANARY not in "".join(json.dumps(one.get_decoded()) for one in Session.objects.all())
