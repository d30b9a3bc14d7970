"""What every request and every answer carries."""

import re
import uuid

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from prometheus_client.parser import text_string_to_metric_families

from apps.core import context
from apps.core.edge import metrics, trace
from apps.core.edge.middleware import RequestEdge, facts_of
from apps.core.edge.paths import is_api_path

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.core.api.urls")]


def access_lines(lines):
    return [line for line in lines if line["event"] == "request"]


def test_a_request_id_is_taken_over_and_given_back(caller):
    response = caller.get("/api/test/echo", headers={"X-Request-ID": "build-7.retry_2"})

    assert response.headers["X-Request-ID"] == "build-7.retry_2"


@pytest.mark.parametrize("told", [None, "", "a b", "x" * 129, "a;b", "é", "{}", "a\x00"])
def test_any_other_request_id_is_replaced(caller, told):
    response = caller.get("/api/test/echo", headers={} if told is None else {"X-Request-ID": told})

    assert uuid.UUID(response.headers["X-Request-ID"]).version == 7


def test_pages_have_request_ids_too(caller):
    assert "X-Request-ID" in caller.get("/nothing").headers


def test_answers_of_the_api_are_not_stored(caller):
    assert caller.get("/api/test/echo").headers["Cache-Control"] == "no-store"


def test_pages_are_not_stored_either_unless_they_say_so(caller):
    assert caller.get("/nothing").headers["Cache-Control"] == "no-store"


def test_an_answer_says_what_it_took(caller):
    timing = caller.get("/api/test/records").headers["Server-Timing"]

    assert re.fullmatch(r'total;dur=\d+\.\d, db;dur=\d+\.\d;desc="1 statements"', timing)


def test_one_line_is_written_for_each_request(caller, lines):
    caller.get("/api/test/records?key=secret-key", headers={"X-Request-ID": "r-1", "Authorization": "Bearer hush"})

    [line] = access_lines(lines)
    assert line.pop("ms") >= 0
    assert line == {
        "event": "request",
        "log_level": "info",
        "method": "GET",
        "route": "/api/test/records",
        "status": 200,
        "actor_kind": "service",
        "actor_id": "ann",
        "request_id": "r-1",
    }


def test_the_line_names_the_template_and_not_the_row(caller, lines):
    caller.get("/api/test/records/0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22")

    [line] = access_lines(lines)
    assert line["route"] == "/api/test/records/<str:id>"
    assert "path" not in line


def test_where_no_route_matched_the_path_is_written(caller, lines):
    caller.get("/api/nothing?token=hush")

    [line] = access_lines(lines)
    assert (line["route"], line["path"], line["status"]) == (None, "/api/nothing", 404)
    assert "hush" not in str(line)


def test_calls_that_come_all_the_time_are_quiet(caller, lines):
    caller.get("/api/test/quiet")

    assert [line["log_level"] for line in access_lines(lines)] == ["debug"]


def test_calls_that_come_all_the_time_are_written_down_where_they_fail(caller, lines):
    caller.post("/api/test/quiet")

    assert [line["log_level"] for line in access_lines(lines)] == ["info"]


def test_each_request_is_counted_by_method_route_and_status(caller, settings):
    caller.get("/api/test/records/12?x=1")
    caller.generic("BREW", "/api/test/echo")
    caller.get("/api/nothing")

    text = metrics.exposition(settings.METRICS_DIR).decode()
    counted = {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"])
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "bv_http_request_duration_seconds_count"
    }
    assert counted >= {
        ("GET", "/api/test/records/<str:id>", "400"),
        ("other", "/api/test/echo", "405"),
        ("GET", "unmatched", "404"),
    }


def test_facts_are_current_while_a_request_is_handled():
    seen = []
    edge = RequestEdge(lambda request: seen.append(context.current()) or HttpResponse())

    edge(RequestFactory().get("/x", headers={"X-Request-ID": "r-1", "User-Agent": "curl"}))

    assert seen == [context.RequestFacts("r-1", "127.0.0.1", "curl")]
    assert context.current() == context.RequestFacts()


def test_an_agent_is_shortened_and_cleaned():
    request = RequestFactory().get("/x", headers={"User-Agent": "a\x1bb" + "x" * 1000})

    agent = facts_of(request).agent

    assert agent.startswith("abx")
    assert len(agent) == 256


def test_a_forwarded_address_of_a_stranger_is_ignored(settings):
    settings.TRUSTED_PROXIES = []
    request = RequestFactory().get("/x", headers={"X-Forwarded-For": "203.0.113.9"})

    assert facts_of(request).address == "127.0.0.1"


def test_a_forwarded_address_is_believed_from_our_proxy(settings):
    settings.TRUSTED_PROXIES = ["127.0.0.0/8"]
    request = RequestFactory().get("/x", headers={"X-Forwarded-For": "6.6.6.6, 203.0.113.9"})

    assert facts_of(request).address == "203.0.113.9"


def test_a_request_over_a_local_socket_has_no_address():
    request = RequestFactory().get("/x", REMOTE_ADDR="")

    assert facts_of(request).address is None


def test_notes_outside_a_request_are_read_by_nobody():
    trace.current().statements += 1

    assert trace.current().statements == 0


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/",
        "/api/v1/jobs",
        "/health",
        "/health/live",
        "/metrics",
        "/metrics/",
        "/acme/orchestrator_",
        "/acme/orchestrator_/api/jobs",
        "/acme/default/orchestrator_/jobs",
    ],
)
def test_addresses_of_programs_are_known(path):
    assert is_api_path(path)


@pytest.mark.parametrize(
    "path", ["/", "/admin/", "/apidocs", "/healthy", "/admin/api/", "/admin/x/orchestrator_/", "/orchestrator_/"]
)
def test_all_others_are_pages(path):
    assert not is_api_path(path)
