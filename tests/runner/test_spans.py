"""The steps that jobs trace: told by jobs, robots and programs in two spellings, kept within limits, read by people."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from apps.jobs import services as jobs
from apps.jobs.models import Execution, Span
from apps.jobs.rules import traces
from apps.robots import services as robots
from tests import api, make
from tests.jobs.reports import finish
from tests.runner.older import ROOTS

pytestmark = pytest.mark.django_db

UNKNOWN = "0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22"
RELEASED = {
    "name": "ask the model",
    "span_id": "b2",
    "parent_span_id": "a1",
    "input_payload": {"question": "why?"},
    "output_payload": ["because"],
    "start_time": "2026-01-31T10:00:00Z",
    "end_time": "2026-01-31T10:00:01.500+00:00",
    "duration_ms": 1500,
    "tags": {"model": "m1"},
    "span_metadata": {"tokens": 12},
}
OLDER = {
    "spanId": "b2",
    "parentSpanId": "a1",
    "name": "ask the model",
    "status": "error",
    "startTime": "2026-01-31T10:00:00",
    "endTime": "2026-01-31T10:00:01.500",
    "durationMs": 1500.0,
    "input": {"question": "why?"},
    "output": ["because"],
    "metadata": {"tokens": 12},
    "tags": ["slow", "model"],
}


def tell(token: dict[str, str], execution: Any, *spans: Any, root: str = "/api/v1", **others: Any) -> Any:
    """Tell of steps over HTTP, signed with headers."""
    body = json.dumps({"spans": list(spans), **others})
    path = f"{root}/agent-traces/{execution}/spans"
    return Client().post(path, body, "application/json", headers=token)


def incompressible(length: int) -> str:
    """A text that takes its length wherever it is stored."""
    return secrets.token_hex(length // 2)


@pytest.fixture
def execution():
    """A running job."""
    return make.claimed(make.session(make.robot(of=make.job().tenant)))


@pytest.fixture
def job(execution):
    """The headers of the running job itself."""
    token = jobs.start_with_token(execution, actor=make.acting(execution.robot))
    return {"X-Robot-Token": str(token)}


def headers_of(robot: Any) -> dict[str, str]:
    return {"X-Robot-Token": robots.rotate_token(robot, actor=make.SYSTEM)}


def program(*permissions: str, inside: Any) -> dict[str, str]:
    """The headers of a program of somebody with these permissions in a tenant."""
    return {"Authorization": f"Bearer {make.api_key(make.user(*permissions, inside=inside), inside)}"}


@pytest.mark.parametrize("root", ROOTS)
def test_a_running_job_tells_its_steps_on_every_surface(job, execution, root):
    answer = tell(job, execution.pk, RELEASED, root=root)

    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    assert Span.of(execution.pk).get().name == "ask the model"


def test_the_shape_of_the_released_packages_is_read(job, execution):
    tell(job, execution.pk, RELEASED)

    span = Span.of(execution.pk).get()
    assert (span.tenant_id, span.span_id, span.parent_span_id) == (execution.tenant_id, "b2", "a1")
    assert (span.status, span.input, span.output) == ("ok", {"question": "why?"}, ["because"])
    assert (span.tags, span.metadata, span.duration_ms) == ({"model": "m1"}, {"tokens": 12}, 1500)
    assert span.started_at == datetime(2026, 1, 31, 10, tzinfo=UTC)
    assert span.ended_at - span.started_at == timedelta(seconds=1.5)


def test_the_shape_before_them_is_read(job, execution):
    tell(job, execution.pk, OLDER, traceId="t1")

    span = Span.of(execution.pk).get()
    assert (span.span_id, span.parent_span_id, span.status) == ("b2", "a1", "error")
    assert (span.input, span.output, span.duration_ms) == ({"question": "why?"}, ["because"], 1500)
    assert span.tags == {"slow": True, "model": True}
    assert span.metadata == {"trace_id": "t1", "tokens": 12}
    assert span.started_at == datetime(2026, 1, 31, 10, tzinfo=UTC)


def test_a_step_needs_but_an_id_and_a_name(job, execution):
    assert tell(job, execution.pk, {"span_id": "a", "name": "x"}).json() == {"accepted": 1}


def test_how_long_it_took_follows_from_its_times(job, execution):
    told = {"span_id": "a", "name": "x", "start_time": 1_769_853_600, "end_time": 1_769_853_602_500}

    tell(job, execution.pk, told)

    assert Span.of(execution.pk).get().duration_ms == 2500


def test_an_error_is_also_known_where_the_client_has_no_status(job, execution):
    tell(job, execution.pk, {"span_id": "a", "name": "x", "span_metadata": {"error": "ValueError"}})

    assert Span.of(execution.pk).get().status == "error"


def test_the_robot_of_the_execution_tells_as_well(execution):
    assert tell(headers_of(execution.robot), execution.pk, RELEASED).status_code == 202


def test_a_program_tells_that_may_report_there(execution):
    may = program("jobs.view_job", "jobs.report_execution", inside=execution.tenant)
    sees = program("jobs.view_job", inside=execution.tenant)

    assert tell(may, execution.pk, RELEASED).status_code == 202
    assert tell(sees, execution.pk, RELEASED).status_code == 403


def test_whoever_may_not_know_of_an_execution_is_told_that_there_is_none(execution):
    other = make.tenant()
    callers = [
        headers_of(make.robot(of=execution.tenant)),
        headers_of(make.robot(of=other)),
        program("jobs.view_job", "jobs.report_execution", inside=other),
    ]

    answers = [tell(caller, identity, RELEASED) for caller in callers for identity in (execution.pk, UNKNOWN)]

    assert [(one.status_code, one.json()["code"]) for one in answers] == [(404, "unknown")] * 6
    assert len({one.json()["detail"] for one in answers}) == 1


def test_a_job_tells_of_no_other_execution(job):
    assert tell(job, make.running_job().pk, RELEASED).status_code == 404


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer bvu_no"}, {"X-Robot-Token": "bvj_no"}])
def test_who_is_not_known_tells_nothing(execution, headers):
    assert tell(headers, execution.pk, RELEASED).status_code == 401


def test_a_job_that_has_ended_tells_nothing_more(job, execution):
    finish(execution)

    assert tell(job, execution.pk, RELEASED).status_code == 401


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"span_id": None}, "span_id"), ({"span_id": ""}, "span_id"), ({"span_id": "x" * 65}, "span_id"),
        ({"span_id": 7}, "span_id"), ({"name": None}, "name"), ({"name": ["x"]}, "name"),
        ({"parent_span_id": 7}, "parent_span_id"), ({"status": "maybe"}, "status"),
        ({"start_time": "yesterday"}, "start_time"), ({"end_time": True}, "end_time"),
        ({"start_time": "1900-01-01T00:00:00Z"}, "start_time"), ({"end_time": -1}, "end_time"),
        ({"duration_ms": -1}, "duration_ms"), ({"duration_ms": "1"}, "duration_ms"), ({"tags": "x"}, "tags"),
        ({"tags": [7]}, "tags"), ({"span_metadata": []}, "span_metadata"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_step_is_named_and_nothing_of_the_call_is_kept(job, execution, changes, field):
    refused = tell(job, execution.pk, RELEASED, RELEASED | changes)

    assert api.fields_refused(refused) == {f"spans.1.{field}"}
    assert not Span.of(execution.pk).exists()


@pytest.mark.parametrize(("spans", "field"), [(None, "spans"), ({}, "spans"), ([7], "spans.0")])
def test_what_is_no_list_of_steps_is_refused(job, execution, spans, field):
    body = json.dumps({"spans": spans})
    refused = Client().post(f"/api/v1/agent-traces/{execution.pk}/spans", body, "application/json", headers=job)

    assert api.fields_refused(refused) == {field}


def test_a_call_takes_a_thousand_steps_and_no_more(job, execution):
    steps = [{"span_id": str(number), "name": "x"} for number in range(traces.MOST_AT_ONCE + 1)]

    refused, taken = tell(job, execution.pk, *steps), tell(job, execution.pk, *steps[1:])

    assert (refused.status_code, refused.json()["limit"]) == (413, 1000)
    assert taken.json() == {"accepted": 1000}


def test_a_call_takes_a_mebibyte_and_no_more(job, execution):
    refused = tell(job, execution.pk, RELEASED | {"input_payload": "x" * 1024 * 1024})

    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")


def test_of_what_is_too_long_its_length_is_kept(job, execution):
    long = "x" * (traces.LONGEST_VALUE - 1)

    tell(job, execution.pk, RELEASED | {"input_payload": long, "output_payload": long[1:]})

    span = Span.of(execution.pk).get()
    assert (span.input, span.output) == ({"left_out": traces.LONGEST_VALUE + 1}, long[1:])


def test_an_execution_has_room_for_so_many_steps_and_then_says_so(job, execution, monkeypatch):
    monkeypatch.setattr(traces, "MOST_SPANS", 3)
    steps = [{"span_id": str(number), "name": "x"} for number in range(2)]

    answers = [tell(job, execution.pk, *steps).json() for _ in range(3)]

    assert answers == [{"accepted": 2}, {"accepted": 1}, {"accepted": False}]


def test_once_what_is_stored_fills_the_limit_nothing_more_is_kept(job, execution, settings):
    settings.SPANS_LIMIT_BYTES = 20_000
    large = [{"span_id": name, "name": "x", "output_payload": incompressible(15_000)} for name in "abc"]

    answers = [tell(job, execution.pk, span).json() for span in large]

    assert answers == [{"accepted": 1}, {"accepted": 1}, {"accepted": False}]
    assert Span.of(execution.pk).count() == 2


def test_our_own_tokens_are_masked_wherever_they_stand(job, execution):
    secret = job["X-Robot-Token"]
    hidden = secret[:4] + "*" * (len(secret) - 4)

    told = {
        "name": f"with {secret}",
        "input_payload": {"a": [secret]},
        "output_payload": secret,
        "tags": {secret: secret},
    }
    tell(job, execution.pk, RELEASED | told | {"span_metadata": {"x": f"<{secret}>"}})

    span = Span.of(execution.pk).get()
    assert span.name == f"with {hidden}"
    assert (span.input, span.output, span.tags) == ({"a": [hidden]}, hidden, {hidden: hidden})
    assert span.metadata == {"x": f"<{hidden}>"}


def listed(execution: Execution, caller: api.Caller | None = None, **query: Any) -> Any:
    return (caller or api.root()).get(f"executions/{execution.pk}/spans", query)


def test_people_read_the_steps_of_an_execution(job, execution):
    tell(job, execution.pk, RELEASED, RELEASED | {"span_id": "c3", "parent_span_id": None})
    make.spans(make.running_job(), "of another")

    shown = listed(execution, page_size=1).json()

    assert shown["next"]
    assert (shown["items"][0]["span_id"], shown["items"][0]["parent_span_id"]) == ("c3", "")
    assert (shown["items"][0]["input"], shown["items"][0]["duration_ms"]) == ({"question": "why?"}, 1500)


def test_of_a_step_that_was_told_again_the_latest_counts(job, execution):
    tell(job, execution.pk, RELEASED | {"name": "begun"}, RELEASED | {"name": "still"})
    tell(job, execution.pk, RELEASED | {"name": "done"})

    assert [span["name"] for span in listed(execution).json()["items"]] == ["done"]


def test_the_steps_of_what_one_may_not_see_are_not_there(execution):
    stranger = api.Caller(make.user("jobs.view_job"), key_in=make.tenant())

    assert listed(execution, stranger).status_code == 404
