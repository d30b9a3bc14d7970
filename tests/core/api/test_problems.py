"""Every refusal has one shape, whoever raised it and out of whichever kind of view it came."""

import logging

import pytest
from django.test import Client

from apps.core.api.problems import describe, in_words, problem
from apps.core.errors import Problem

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.core.api.urls")]

SHAPE = {"type", "title", "status", "detail", "code", "errors", "request_id"}


@pytest.fixture(params=["faults", "plain-faults"], ids=["REST view", "plain view"])
def fail(request, caller):
    """Call a view of either kind that fails in the way named."""
    caller.raise_request_exception = False
    return lambda fault: caller.get(f"/api/test/{request.param}/{fault}", headers={"X-Request-ID": "r-1"})


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("invalid", 400, "invalid"),
        ("not-signed-in", 401, "not_signed_in"),
        ("not-allowed", 403, "not_allowed"),
        ("not-found", 404, "not_found"),
        ("conflict", 409, "illegal_transition"),
        ("too-large", 413, "too_large"),
        ("unavailable", 503, "unavailable"),
        ("rest-unauthenticated", 401, "not_signed_in"),
        ("rest-throttled", 429, "throttled"),
        ("rest-invalid", 400, "invalid"),
        ("django-404", 404, "not_found"),
        ("django-denied", 403, "not_allowed"),
        ("django-invalid", 400, "invalid"),
        ("django-suspicious", 400, "invalid"),
        ("number-out-of-range", 400, "value_out_of_range"),
        ("data-error", 400, "value_out_of_range"),
        ("unique", 409, "already_exists"),
        ("statement-timeout", 503, "timed_out"),
        ("bug", 500, "internal_error"),
    ],
)
def test_every_failure_has_its_status_and_its_code(fail, fault, status, code):
    response = fail(fault)

    answer = response.json()
    assert (response.status_code, answer["status"], answer["code"]) == (status, status, code)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert answer.keys() >= SHAPE
    assert isinstance(answer["detail"], str)
    assert answer["detail"]
    assert answer["request_id"] == response.headers["X-Request-ID"] == "r-1"


def test_each_wrong_field_is_named(fail):
    answer = fail("invalid").json()

    assert answer["errors"] == [
        {"field": "name", "message": "Too long.", "code": "invalid"},
        {"field": "size", "message": "Odd.", "code": "invalid"},
    ]


def test_rest_frameworks_nested_errors_become_places(fail):
    answer = fail("rest-invalid").json()

    assert [error["field"] for error in answer["errors"]] == ["items.1.name"]
    assert answer["detail"] == "items.1.name: This field is required."


def test_a_refusal_may_carry_more(fail):
    assert fail("conflict").json()["current"] == "running"


@pytest.mark.parametrize("fault", ["not-signed-in", "rest-unauthenticated"])
def test_an_unknown_caller_is_told_how_to_sign_in(fail, fault):
    assert fail(fault).headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("fault", "seconds"), [("unavailable", "7"), ("rest-throttled", "4"), ("statement-timeout", "2")]
)
def test_who_should_come_again_is_told_when(fail, fault, seconds):
    assert fail(fault).headers["Retry-After"] == seconds


@pytest.mark.parametrize("fault", ["bug", "django-404", "django-suspicious"])
def test_nothing_of_our_inside_is_told(fail, fault):
    text = fail(fault).content.decode()

    assert "inner words" not in text
    assert "apps.jobs" not in text


def test_what_nobody_foresaw_is_logged_with_its_traceback(fail, caplog):
    fail("bug")

    records = [record for record in caplog.records if "request_failed" in record.getMessage()]
    assert len(records) == 1
    assert records[0].levelno == logging.ERROR


def test_what_nobody_foresaw_reaches_those_who_listen_for_errors(caller):
    with pytest.raises(ZeroDivisionError):
        caller.get("/api/test/faults/bug")


def test_a_stranger_is_refused_before_anything_else(stranger):
    response = stranger.post("/api/test/echo", b"{", content_type="application/json")

    assert response.status_code == 401
    assert response.json()["code"] == "not_signed_in"


def test_an_authenticator_names_its_own_refusal(stranger):
    response = stranger.get("/api/test/echo", headers={"X-Test-Caller": "expired"})

    assert response.status_code == 401
    assert response.json()["code"] == "bad_api_key"
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "path", ["/api/nothing/here", "/acme/orchestrator_/nothing", "/health/nothing", "/metrics/nothing"]
)
def test_an_unknown_address_is_a_problem_and_not_a_page(caller, path):
    response = caller.get(path)

    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


def test_an_unknown_page_stays_a_page(caller):
    response = caller.get("/nothing")

    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("text/html")


def test_the_debug_page_never_reaches_a_program(settings, caller):
    settings.DEBUG = True

    response = caller.get("/api/nothing/here")

    assert response.json()["detail"] == "There is no such address here."


def test_an_unforeseen_error_of_a_page_is_left_to_django(caller):
    with pytest.raises(ZeroDivisionError):
        caller.get("/pages/bug")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize("path", ["/api/test/echo", "/api/test/plain"])
def test_a_method_that_is_not_taken_is_named(caller, method, path):
    response = caller.generic(method, path)

    assert response.status_code == 405
    assert response.json()["code"] == "method_not_allowed"
    assert "POST" in response.headers["Allow"]


def test_a_header_cannot_turn_one_method_into_another(caller):
    response = caller.get("/api/test/plain", headers={"X-HTTP-Method-Override": "POST"})

    assert response.status_code == 405


def test_whatever_a_caller_accepts_it_gets_json(caller):
    response = caller.get("/api/test/echo", headers={"Accept": "text/html"})

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"


def test_a_host_that_is_not_ours_is_a_problem():
    response = Client(headers={"Host": "evil.example"}).get("/api/test/echo", headers={"X-Test-Caller": "ann"})

    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"


def test_a_refusal_without_an_exception_has_the_same_shape():
    response = problem(416, "log_gap", "Bytes are missing.", headers={"X-Log-Offset": "5"}, offset=5)

    assert response.status_code == 416
    assert response.headers["X-Log-Offset"] == "5"
    assert b'"offset": 5' in response.content


def test_an_error_of_our_own_has_no_answer():
    assert describe(ZeroDivisionError()) is None


def test_many_problems_are_counted_and_not_all_told():
    problems = [Problem(f"f{number}", "Wrong.") for number in range(8)]

    assert in_words(problems).endswith("f4: Wrong. And 3 more.")
