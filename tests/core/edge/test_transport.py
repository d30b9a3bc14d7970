"""Who is believed about a connection, which names are ours, and whose scripts may call: cases F1 and F2."""

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory

from apps.core.edge.middleware import believe_proxies_alone
from tests import api, make

pytestmark = pytest.mark.django_db
OURS = "https://app.example.com"


@pytest.mark.parametrize(
    ("trusted", "told", "is_secure"),
    [
        pytest.param([], "https", False, id="a stranger says so"),
        pytest.param(["127.0.0.0/8"], "https", True, id="our proxy says so"),
        pytest.param(["127.0.0.0/8"], "http", False, id="our proxy says no"),
        pytest.param(["127.0.0.0/8"], "https, http", False, id="two say different things"),
        pytest.param(["127.0.0.0/8"], "", False, id="our proxy says nothing"),
    ],
)
def test_only_our_proxy_is_believed_about_tls(settings, trusted, told, is_secure):
    settings.TRUSTED_PROXIES = trusted
    request = RequestFactory().get("/", headers={"X-Forwarded-Proto": told})

    believe_proxies_alone(request)

    assert request.is_secure() is is_secure


def test_browsers_are_told_to_keep_to_tls_where_our_proxy_ended_it(settings):
    settings.TRUSTED_PROXIES = ["127.0.0.0/8"]
    settings.SECURE_HSTS_SECONDS, settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = 31_536_000, True

    answers = [Client(headers={"X-Forwarded-Proto": told}).get("/health/live") for told in ("https", "http")]

    told = [answer.headers.get("Strict-Transport-Security") for answer in answers]
    assert told == ["max-age=31536000; includeSubDomains", None]


@pytest.mark.parametrize("host", ["evil.example", "testserver.evil.example", "testserver@evil.example"])
def test_f1_a_host_that_is_not_ours_is_refused_everywhere(host):
    visitor = Client(headers={"Host": host})
    paths = ("/", "/admin/login/", "/api/v1/jobs", "/api/v1/docs", "/nothing")

    assert {path: visitor.get(path).status_code for path in paths} == dict.fromkeys(paths, 400)


def test_f1_a_host_named_beside_the_real_one_changes_no_link():
    visitor = Client(headers={"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example;proto=https"})

    answers = [visitor.get(path) for path in ("/", "/admin/", "/admin/login/?next=/admin/")]

    told = [answer.headers.get("Location", "") + answer.content.decode() for answer in answers]
    assert ["evil" in text for text in told] == [False, False, False]


ELSEWHERE = (
    "//evil.example",
    "\\/\\/evil.example",
    "/\\evil.example",
    "https://evil.example/",
    "javascript:alert('evil')",
    "https:evil",
    " //evil.example",
    "/\t/evil.example",
    "http:///evil.example",
    "//testserver@evil.example/",
)


def test_f2_a_sign_in_leads_nowhere_else():
    person = make.user(superuser=True)
    person.set_password(make.PASSWORD)
    person.save()
    signed_in = Client()
    signed_in.force_login(person)
    form = {"username": person.username, "password": make.PASSWORD}

    answers = [Client().post("/admin/login/", form | {"next": place}) for place in ELSEWHERE[:2]]
    answers += [signed_in.get("/admin/login/", {"next": place}) for place in ELSEWHERE]

    assert {(answer.status_code, answer.headers["Location"]) for answer in answers} == {(302, "/admin/")}


def test_pages_of_others_may_not_read_our_answers():
    answer = Client(headers={"Origin": OURS}).get("/api/v1/health/live")

    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_pages_that_are_named_may_call_the_api_by_token_and_nothing_else(settings):
    settings.CORS_ALLOWED_ORIGINS = [OURS]
    caller = api.root().client
    asking = {"Origin": OURS, "Access-Control-Request-Method": "POST"}

    asked = Client(headers=asking).options("/api/v1/jobs")
    answers = [caller.get(path, headers={"Origin": OURS}) for path in ("/api/v1/jobs", "/admin/login/", "/metrics")]
    stranger = caller.get("/api/v1/jobs", headers={"Origin": "https://app.example.com.evil.example"})

    assert asked.headers["Access-Control-Allow-Origin"] == OURS
    assert "authorization" in asked.headers["Access-Control-Allow-Headers"]
    assert [answer.headers.get("Access-Control-Allow-Origin") for answer in answers] == [OURS, None, None]
    assert not [answer for answer in (asked, *answers) if "Access-Control-Allow-Credentials" in answer.headers]
    assert "Access-Control-Allow-Origin" not in stranger.headers


def test_an_answer_is_no_place_to_write_a_header():
    with pytest.raises(ValueError, match="newlines"):
        HttpResponse(headers={"Location": "/a\r\nSet-Cookie: b=c"})
