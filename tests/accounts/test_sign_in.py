"""Signing in to the admin: guessing is slowed down, and stops nobody but the one who guesses."""

import pytest
from django.test import Client

from tests import make

pytestmark = pytest.mark.django_db

GUESSER, OWNER = {"X-Forwarded-For": "203.0.113.9"}, {"X-Forwarded-For": "198.51.100.7"}


@pytest.fixture(autouse=True)
def behind_a_proxy(settings):
    settings.TRUSTED_PROXIES = ["127.0.0.0/8"]


@pytest.fixture
def ann():
    person = make.user(staff=True)
    person.set_password(make.PASSWORD)
    person.save()
    return person


def signs_in(person, password, headers):
    form = {"username": person.username, "password": password}
    return Client().post("/admin/login/", form, headers=headers).status_code


def test_who_guesses_behind_our_proxy_does_not_lock_the_owner_out(ann):
    guesses = [signs_in(ann, "wrong", GUESSER) for _ in range(6)]

    assert guesses[-1] == 429
    assert signs_in(ann, make.PASSWORD, GUESSER) == 429
    assert signs_in(ann, make.PASSWORD, OWNER) == 302


def test_an_address_that_the_guesser_made_up_does_not_help(ann):
    guesses = [signs_in(ann, "wrong", {"X-Forwarded-For": f"192.0.2.{number}, 203.0.113.9"}) for number in range(1, 7)]

    assert guesses[-1] == 429
