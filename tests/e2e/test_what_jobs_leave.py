"""The files and the trace of a job, in a browser: steps open on demand, files come as files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from apps.jobs import services as jobs
from apps.jobs.models import Execution
from apps.jobs.rules.traces import Traced
from tests import make
from tests.e2e.conftest import NARROW, WIDE

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

BEGIN = datetime(2026, 1, 31, 10, tzinfo=UTC)
STEPS = (
    ("whole", "", "Answer the letter of Insurance & Sons", 0, 9.5, "ok"),
    ("read", "whole", "Read the attachment", 0.2, 0.4, "ok"),
    ("ask", "whole", "Ask the model", 0.8, 6.2, "error"),
    ("try", "ask", "Call https://models.example.org/v1/a-very-long-address-that-does-not-break", 1, 5.9, "error"),
    ("send", "whole", "Send the answer", 8, 1.5, "ok"),
)


def furnished() -> Execution:
    """A running job that left files and traced steps."""
    execution = make.running_job(make.process(name="Answer letters"))
    make.artefact(execution, b"x" * 4096, name="Übersicht aller Rechnungen des Monats.csv", content_type="text/csv")
    make.artefact(execution, b"y", name="screenshot.png", content_type="image/png")
    spans = [
        Traced(
            span_id=own, parent_span_id=parent, name=name, status=status, started_at=BEGIN + timedelta(seconds=after),
            ended_at=BEGIN + timedelta(seconds=after + seconds), duration_ms=seconds * 1000,
            input={"question": "why? " * 20}, output={"error": "TimeoutError: no answer"}, tags={"model": "m1"},
        )
        for own, parent, name, after, seconds, status in STEPS
    ]  # fmt: skip
    jobs.record_spans(execution, actor=make.acting(execution.robot), spans=spans)
    return execution


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_steps_of_a_job_open_where_they_stand(watched, administrator, viewport, theme):
    execution = furnished()
    watched.sign_in(administrator)
    page = watched.open(reverse("admin:jobs_job_change", args=[execution.job_id]))

    page.get_by_text("Ask the model").click()
    page.get_by_text("TimeoutError: no answer").wait_for()
    watched.keep(f"look-left-{'wide' if viewport == WIDE else 'narrow'}-{theme}")

    assert page.locator(".op-step").count() == len(STEPS)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def test_a_file_is_saved_under_its_name(watched, administrator):
    execution = furnished()
    watched.sign_in(administrator)
    page = watched.open(reverse("admin:jobs_execution_change", args=[execution.pk]))

    with page.expect_download() as saved:
        page.locator("#artefacts").get_by_text("Download").first.click()

    assert saved.value.suggested_filename == "Übersicht aller Rechnungen des Monats.csv"
