"""Proving again who one is, before what is most sensitive."""

from datetime import timedelta
from urllib.parse import quote

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from apps.accounts import services
from apps.accounts.models import User
from apps.core.actors import Actor
from apps.core.errors import NotAllowed
from tests import make

pytestmark = pytest.mark.django_db

CONFIRM = "/admin/accounts/user/confirm/"


@pytest.fixture
def ann():
    person = make.user(staff=True)
    person.set_password(make.PASSWORD)
    person.save()
    return person


def actor_of(client):
    request = client.get("/admin/").wsgi_request
    return Actor.person(request.user)


def refused(actor):
    try:
        services.require_fresh_sign_in(actor)
    except NotAllowed as refusal:
        return refusal.code
    return None


def test_who_signed_in_just_now_is_fresh_for_five_minutes_and_nobody_is_behind_a_key(ann, system):
    browser = Client()
    browser.force_login(ann)

    assert refused(actor_of(browser)) is None
    assert refused(system) is None
    assert refused(Actor.person(User.objects.get(pk=ann.pk))) == "fresh_sign_in_needed"
    with time_machine.travel(timezone.now() + timedelta(minutes=6), tick=False):
        assert refused(actor_of(browser)) == "fresh_sign_in_needed"


def test_who_confirms_is_fresh_again_in_a_session_of_another_key_and_back_where_they_were(ann):
    browser = Client()
    browser.force_login(ann)
    before = browser.session.session_key
    with time_machine.travel(timezone.now() + timedelta(minutes=6), tick=False):
        wrong = browser.post(CONFIRM, {"password": "wrong", "next": "/admin/jobs/job/"})
        stale = refused(actor_of(browser))

        right = browser.post(CONFIRM, {"password": make.PASSWORD, "next": "/admin/jobs/job/"})

        assert (wrong.status_code, stale) == (200, "fresh_sign_in_needed")
        assert right.url == "/admin/jobs/job/"
        assert refused(actor_of(browser)) is None
        assert browser.session.session_key != before


@pytest.mark.parametrize(
    "evil", ["//evil.example", "https://evil.example/", "\\/\\/evil.example", "javascript:alert(1)"]
)
def test_f2_nobody_is_sent_to_strangers(ann, evil):
    browser = Client()
    browser.force_login(ann)

    page = browser.get(f"{CONFIRM}?next={quote(evil)}")
    answer = browser.post(CONFIRM, {"password": make.PASSWORD, "next": evil})

    assert "evil" not in page.content.decode()
    assert answer.url == "/admin/"
