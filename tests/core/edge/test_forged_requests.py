"""Case F3: a page of somebody else cannot act in the name of who is signed in, at any address; and who needs not be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLResolver, get_resolver

from tests import make

pytestmark = pytest.mark.django_db

#: A name and a password are sent along, and a token comes back: a browser that is signed in adds nothing to it.
SIGN_IN = ("api/v1/auth/login", "api/auth/login")
#: What answers anybody, by the beginning of its address. All else asks who it is, or does not show itself.
OPEN = (
    "health",
    "api/health",
    "api/v1/health",
    "admin/login/",
    "admin/jsi18n/",
    "csp-reports",
    ".well-known/security.txt",
    *SIGN_IN,
)
#: Who calls here stands in the body, by a machine's key or an enrolment key, and never in a cookie.
BY_BODY = tuple(
    f"api/{version}runner/{call}" for version in ("", "v1/") for call in ("connect-machine", "register-robot")
)
#: Its own networks may read these: the machine that tests are on is one.
OF_NETWORKS = ("metrics", "api/v1/metrics")
ID = "0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22"
#: Who it is, where one may go, what there is, by which method, of which kind: a request gets no further.
TURNED_AWAY = {401, 403, 404, 405, 415}


def addresses(resolver: Any = None, before: str = "") -> Iterator[str]:
    """Every address of the product, with something in place of what varies."""
    for pattern in (resolver or get_resolver()).url_patterns:
        here = before + str(pattern.pattern).removeprefix("^")
        if here.startswith("(?:"):  # Where released clients call the same views.
            continue
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern, here)
        else:
            yield re.sub(r"<[^>]*>|\(\?P<[^)]*\)", ID, here).rstrip("$").replace(r"\Z", "")


def unlike(client: Client, methods: tuple[str, ...], kind: str, expected: set[int]) -> dict[str, int]:
    """What was not turned away: method and address, with its status."""
    found = {}
    for address in sorted(set(addresses())):
        for method in methods:
            response = client.generic(method, f"/{address}", b"{}" if kind else b"", kind)
            b"".join(response.streaming_content if response.streaming else ())  # Which ends what is streamed.
            if response.status_code not in expected:
                found[f"{method} {address}"] = response.status_code
    return found


@pytest.mark.parametrize(
    ("kind", "methods"),
    [("text/plain", ("POST", "PUT", "PATCH", "DELETE")), ("application/json", ("POST",))],
    ids=["text", "JSON"],
)
def test_f3_no_page_of_others_acts_in_the_name_of_who_is_signed_in(kind, methods):
    browser = Client(enforce_csrf_checks=True, headers={"Origin": "https://evil.example"})
    browser.force_login(make.user(superuser=True))

    acted = unlike(browser, methods, kind, TURNED_AWAY)

    places = {name.partition(" ")[2] for name in acted}
    assert places - {"csp-reports", *BY_BODY, *SIGN_IN} == set()


def test_f3_a_form_of_others_is_refused_also_over_tls():
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(make.user(superuser=True))
    token = browser.get("/admin/", secure=True).cookies
    forged = {"Origin": "https://evil.example", "Referer": "https://evil.example/"}

    answer = browser.post("/admin/logout/", secure=True, headers=forged)

    assert answer.status_code == 403
    assert "csrf" not in str(token).lower() or "HttpOnly" in str(token)


def test_who_is_not_known_gets_nowhere_but_where_it_is_said():
    stranger = Client()

    reached = unlike(stranger, ("GET", "POST"), "", TURNED_AWAY | {302})

    places = {name.partition(" ")[2] for name in reached}
    assert {place for place in places if not place.startswith((*OPEN, *BY_BODY, *OF_NETWORKS))} == set()
