"""The sessions of people: their rows, and what ends them."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from apps.accounts import services, tasks
from apps.accounts.models import SignInTry, UserSession
from apps.core.actors import Actor
from tests import make

pytestmark = pytest.mark.django_db

NEW = "another horse battery staple"
JSON = "application/json"


@pytest.fixture(autouse=True)
def quick_hashes(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def ann():
    person = make.user(superuser=True)
    services.set_password(person, actor=make.SYSTEM, password=make.PASSWORD)
    return person


def program(person, password=make.PASSWORD):
    body = {"username": person.username, "password": password}
    token = Client().post("/api/v1/auth/login", body, JSON).json()["access_token"]
    return Client(headers={"Authorization": f"Bearer {token}"})


def browser(person, password=make.PASSWORD):
    client = Client()
    assert client.post("/admin/login/", {"username": person.username, "password": password}).status_code == 302
    return client


def works(client):
    api = client.get("/api/v1/me").status_code == 200
    assert api == (client.get("/admin/accounts/user/me/").status_code == 200) or "HTTP_AUTHORIZATION" in client.defaults
    return api


ENDS = {
    "disabled": lambda ann: services.disable_user(ann, actor=make.SYSTEM),
    "password": lambda ann: services.set_password(ann, actor=make.SYSTEM, password=NEW),
    "behind our back": lambda ann: type(ann).objects.filter(pk=ann.pk).update(password="x"),
}


@pytest.mark.parametrize("how", ENDS)
def test_e7_every_session_is_over_at_once(ann, how):
    make.user(superuser=True)
    sessions = [program(ann), browser(ann)]
    assert [works(one) for one in sessions] == [True, True]

    ENDS[how](ann)

    assert [works(one) for one in sessions] == [False, False]
    assert how == "behind our back" or not UserSession.objects.filter(user=ann).exists()


def test_e7_a_demoted_person_may_do_nothing_more_at_once(ann):
    make.user(superuser=True)
    asked = program(ann)
    assert asked.get("/api/v1/audit").status_code == 200

    services.update_user(ann, actor=make.SYSTEM, is_superuser=False)

    assert asked.get("/api/v1/audit").json()["items"] == []


def test_f7_a_session_gets_another_key_when_one_signs_in(ann, settings):
    client = Client()
    client.get("/admin/login/")
    session = client.session
    session["planted"] = "x"
    session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = planted = session.session_key

    client.post("/admin/login/", {"username": ann.username, "password": make.PASSWORD})

    assert client.session.session_key != planted
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert works(client)
    stranger = Client()
    stranger.cookies[settings.SESSION_COOKIE_NAME] = planted
    assert not works(stranger)


def test_a_session_ends_by_its_hours_and_at_the_admin_when_it_is_left_alone(ann):
    left, used, asked, began = browser(ann), browser(ann), program(ann), timezone.now()

    with time_machine.travel(began + timedelta(minutes=20), tick=False):
        UserSession.objects.filter(pk=used.session["session"]).update(last_used_at=timezone.now())
    with time_machine.travel(began + timedelta(minutes=40), tick=False):
        assert [works(one) for one in (left, used, asked)] == [False, True, True]
    with time_machine.travel(began + timedelta(hours=8, minutes=1), tick=False):
        assert [works(one) for one in (used, asked)] == [False, False]
        assert tasks.forget_ended_sessions() >= 3
    assert not UserSession.objects.exists()
    assert SignInTry.objects.count() == 1  # the place is remembered


def test_one_changes_one_s_password_and_keeps_only_the_session_one_is_in(ann):
    here, there, page = program(ann), program(ann), browser(ann)
    body = {"current_password": make.PASSWORD, "new_password": NEW}

    wrong = here.post("/api/v1/me/change-password", {**body, "current_password": "x"}, JSON)
    weak = here.post("/api/v1/me/change-password", {**body, "new_password": "short"}, JSON)
    done = here.post("/api/v1/me/change-password", body, JSON)

    assert [problem["field"] for problem in wrong.json()["errors"]] == ["current_password"]
    assert {problem["field"] for problem in weak.json()["errors"]} == {"new_password"}
    assert [works(one) for one in (here, there, page)] == [False, False, False]
    assert works(Client(headers={"Authorization": f"Bearer {done.json()['access_token']}"}))
    page = browser(ann, NEW)
    form = {"form": "password", "current": NEW, "password": make.PASSWORD, "again": make.PASSWORD}
    assert (
        "current" in page.post("/admin/accounts/user/me/", {**form, "current": "x"}).context["forms"]["password"].errors
    )
    assert page.post("/admin/accounts/user/me/", form).status_code == 302
    assert works(page)
    assert UserSession.objects.filter(user=ann).count() == 1


def test_one_sees_one_s_sessions_and_ends_them(ann):
    here, there, page = program(ann), program(ann), browser(ann)
    stranger = program(_other())

    rows = here.get("/api/v1/me/sessions").json()["items"]
    other = next(row for row in rows if row["door"] == "api" and not row["is_present"])

    assert sorted((row["door"], row["is_present"]) for row in rows) == [("admin", False), ("api", False), ("api", True)]
    assert all(row["address"] == "127.0.0.1" and row["last_seen_at"] for row in rows)
    assert stranger.delete(f"/api/v1/me/sessions/{other['id']}").status_code == 404
    assert here.delete(f"/api/v1/me/sessions/{other['id']}").status_code == 204
    assert [works(one) for one in (here, there, page)] == [True, False, True]
    renewed = here.post("/api/v1/me/logout-others", "", JSON).json()["access_token"]
    assert [works(one) for one in (here, page)] == [False, False]
    here = Client(headers={"Authorization": f"Bearer {renewed}"})
    page = browser(ann)
    listed = page.get("/admin/accounts/user/me/").context["sessions"]
    assert len(listed) == 2
    last = next(session for session, is_present in listed if not is_present)
    assert page.post("/admin/accounts/user/me/", {"form": "end", "session": last.pk}).status_code == 302
    assert [works(one) for one in (here, page, stranger)] == [False, True, True]
    page.post("/admin/logout/")
    assert not UserSession.objects.filter(user=ann).exists()


def test_who_confirms_over_the_api_is_fresh_and_a_key_cannot(ann):
    tenant = make.tenant()
    asked, key = program(ann), Client(headers={"Authorization": f"Bearer {make.api_key(ann, tenant)}"})
    with time_machine.travel(timezone.now() + timedelta(minutes=6), tick=False):
        session = UserSession.objects.get(user=ann)
        ann.at_session = session
        assert not Actor.person(ann).is_fresh

        wrong = asked.post("/api/v1/auth/confirm", {"password": "x"}, JSON)
        right = asked.post("/api/v1/auth/confirm", {"password": make.PASSWORD}, JSON)

        session.refresh_from_db()
        assert (wrong.status_code, right.status_code) == (400, 200)
        assert Actor.person(ann).is_fresh
        assert key.post("/api/v1/auth/confirm", {"password": make.PASSWORD}, JSON).status_code == 403
        assert key.post("/api/v1/auth/logout", "", JSON).status_code == 404
        assert key.get("/api/v1/me/sessions").json()["items"] == []


def _other():
    person = make.user()
    services.set_password(person, actor=make.SYSTEM, password=make.PASSWORD)
    return person
