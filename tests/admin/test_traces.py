"""The trace viewer on the pages of jobs and executions."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from apps.jobs import services as jobs
from apps.jobs.rules import traces
from apps.jobs.rules.traces import Traced
from tests import make
from tests.admin.visitors import Visitor, superuser, text_of
from tests.jobs.reports import finish

pytestmark = pytest.mark.django_db

BEGIN = datetime(2026, 1, 31, 10, tzinfo=UTC)


def step(name: str, parent: str = "", *, after: float = 0, seconds: float = 1, **facts: object) -> Traced:
    """A step that began some seconds after the first and took some."""
    began = BEGIN + timedelta(seconds=after)
    ended = began + timedelta(seconds=seconds)
    return Traced(
        span_id=name, parent_span_id=parent, name=name, started_at=began, ended_at=ended,
        duration_ms=seconds * 1000, **facts,
    )  # fmt: skip


@pytest.fixture
def execution():
    """An open execution."""
    return make.running_job()


def tell(execution, *steps):
    jobs.record_spans(execution, actor=make.acting(execution.robot), spans=steps)


def trace_of(execution, visitor=None, **query):
    return (visitor or superuser()).get(reverse("admin:jobs_execution_trace", args=[execution.pk]), **query)


def names_in(text):
    return re.findall(r'class="op-step-name" style="--op-depth: (\d+)">([^<]+?)(?: <|<)', text)


def test_the_pages_of_a_job_and_of_its_try_lead_to_the_trace(execution):
    address = reverse("admin:jobs_execution_trace", args=[execution.pk])
    visitor = superuser()

    assert f'hx-get="{address}"' in text_of(visitor.open(execution.job))
    assert f'hx-get="{address}"' in text_of(visitor.open(execution))
    assert 'id="trace"' not in text_of(visitor.open(make.job()))


def test_steps_stand_below_the_one_they_belong_to_in_the_order_of_their_times(execution):
    tell(execution, step("second", "whole", after=2), step("first", "whole", after=1), step("whole", seconds=4))

    text = text_of(trace_of(execution))

    assert names_in(text) == [("0", "whole"), ("1", "first"), ("1", "second")]
    assert re.findall(r"left: ([\d.]+)%; width: ([\d.]+)%", text) == [
        ("0.00", "100.00"), ("25.00", "25.00"), ("50.00", "25.00"),
    ]  # fmt: skip
    assert "3 steps" in text


def test_a_step_that_failed_is_marked(execution):
    tell(execution, step("fine"), step("bad", status="error"))

    text = text_of(trace_of(execution))

    assert text.count("op-step-bad") == 1
    assert "1 failed" in text


def test_what_went_in_and_came_out_is_fetched_when_a_step_is_opened(execution):
    tell(execution, step("ask", input={"q": "<b>why</b>"}, output="because", tags={"model": "m1"}))
    visitor = superuser()
    text = text_of(trace_of(execution, visitor))
    address = re.search(r'hx-get="([^"]+/trace/[^"]+/)"', text).group(1)

    opened = text_of(visitor.get(address))

    assert "because" not in text
    for shown in ("&lt;b&gt;why&lt;/b&gt;", "because", "m1", "1 s"):
        assert shown in opened


def test_of_a_step_that_was_told_again_the_latest_shows(execution):
    tell(execution, step("ask"))
    tell(execution, step("ask", status="error"))

    text = text_of(trace_of(execution))

    assert "1 step," in text
    assert "op-step-bad" in text


def test_a_step_without_times_shows(execution):
    tell(execution, Traced(span_id="a", name="bare"))

    assert names_in(text_of(trace_of(execution))) == [("0", "bare")]


def test_a_name_that_is_markup_stays_text(execution):
    tell(execution, step("<script>alert(1)</script>"))

    assert "<script>" not in text_of(trace_of(execution))


def test_an_execution_without_steps_says_so(execution):
    before = text_of(trace_of(execution))
    finish(execution)

    assert "It has traced no step yet." in before
    assert "It traced no steps." in text_of(trace_of(execution))


def test_ten_thousand_steps_come_in_pieces(execution, django_assert_max_num_queries):
    tell(execution, *(step(str(number), str(number - 1), after=number) for number in range(traces.MOST_SPANS)))
    visitor = superuser()

    with django_assert_max_num_queries(12):
        first = text_of(trace_of(execution, visitor))
    last = text_of(trace_of(execution, visitor, **{"from": "9500"}))

    assert [name for _, name in names_in(first)] == [str(number) for number in range(500)]
    assert [name for _, name in names_in(last)][-1] == "9999"
    assert "10000 steps; here 1 to 500." in first
    assert "It fills the room that an execution has" in first
    assert ("Further steps" in first, "Earlier steps" in first) == (True, False)
    assert ("Further steps" in last, "Earlier steps" in last) == (False, True)
    assert len(first) < 600_000


@pytest.mark.parametrize(("begin", "status"), [("500", 200), ("x", 400), ("-1", 400), ("999999", 400)])
def test_a_place_behind_the_end_is_empty_and_what_is_no_place_is_refused(execution, begin, status):
    tell(execution, step("only"))

    assert trace_of(execution, **{"from": begin}).status_code == status


def test_what_one_may_not_see_is_not_there(execution):
    tell(execution, step("ask"))
    stranger = Visitor(make.user("jobs.view_job", inside=make.tenant()))
    other = make.spans(make.running_job(), "foreign")[0]

    assert trace_of(execution, stranger).status_code == 404
    assert superuser().get(reverse("admin:jobs_execution_step", args=[execution.pk, other.pk])).status_code == 404
