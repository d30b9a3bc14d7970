"""What older runners report: results, failures, lines of log."""

from __future__ import annotations

import pytest

from apps.jobs.models import Execution, Job, JobStatus
from tests import make
from tests.runner.older import LINE

pytestmark = pytest.mark.django_db


def test_a_completed_job_keeps_its_result(runner):
    job = runner.job()
    given = runner.poll()

    answer = runner.post(f"/api/runner/jobs/{given['id']}/update", status="completed", result={"sum": 3})

    job.refresh_from_db()
    assert answer.json() == {"status": "ok"}
    assert (job.status, job.result) == (JobStatus.COMPLETED, {"sum": 3})


def test_the_same_update_again_is_fine_and_another_is_refused(runner):
    runner.job()
    path = f"/api/runner/jobs/{runner.poll()['id']}/update"
    runner.post(path, status="completed", result="done")

    same = runner.post(path, status="completed", result="done")
    other = runner.post(path, status="failed", error_message="no")

    assert same.status_code == 200
    assert (other.status_code, other.json()["detail"]) == (400, "Cannot update job in status completed")
    assert Job.objects.get().result == {"text": "done"}


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ('{"sum": 3}', {"sum": 3}), ("[1, 2]", [1, 2]), ("plain", {"text": "plain"}), ("", {"text": ""}),
        ("NaN", {"text": "NaN"}), (r'"\u0000"', {"text": r'"\u0000"'}), (r'"\ud800"', {"text": r'"\ud800"'}),
        ("[" * 2000, {"text": "[" * 2000}), ("1e999", {"text": "1e999"}), ([1, "x"], [1, "x"]), (None, None),
        (list(range(20_000)), list(range(20_000))),
    ],
)  # fmt: skip
def test_a_result_is_kept_as_it_was_told_or_as_the_json_it_spells(runner, told, kept):
    job = runner.job()

    answer = runner.post(f"/api/runner/jobs/{runner.poll()['id']}/update", status="completed", result=told)

    job.refresh_from_db()
    assert answer.status_code == 200, answer.content
    assert (job.status, job.result) == (JobStatus.COMPLETED, kept)


def test_a_failure_keeps_its_message_and_its_logs(runner):
    job = runner.job()
    given = runner.poll()

    runner.post(f"/api/runner/jobs/{given['id']}/update", status="failed", error_message="boom", logs=["one", "two"])

    job.refresh_from_db()
    assert (job.status, job.error["message"]) == (JobStatus.FAILED, "boom")
    assert Execution.objects.get().log_api_length > 0


def test_another_robots_job_cannot_be_updated(runner, client):
    runner.job()
    given = runner.poll()
    _, token = make.robot_with_token(of=runner.robot.tenant)

    answer = client.post(
        f"/api/runner/jobs/{given['id']}/update",
        {"status": "completed"},
        content_type="application/json",
        headers={"X-Robot-Token": token},
    )

    assert answer.status_code == 404
    assert Job.objects.get().status == JobStatus.RUNNING


def test_a_log_line_is_accepted_and_stored(runner):
    runner.job()
    given = runner.poll()

    answer = runner.post(f"/api/job-executions/{given['execution_id']}/logs", **LINE)

    assert (answer.status_code, answer.json()) == (202, {"status": "accepted", "stored": True})


def test_a_line_for_which_a_log_has_no_room_is_said_not_to_be_stored(runner, settings):
    settings.LOG_LIMIT_BYTES = 10
    runner.job()

    answer = runner.post(f"/api/job-executions/{runner.poll()['execution_id']}/logs", **LINE)

    assert (answer.status_code, answer.json()) == (202, {"status": "accepted", "stored": False})


def test_a_log_line_with_an_unknown_level_is_refused_by_name(runner):
    runner.job()
    given = runner.poll()
    line = {"timestamp": "2026-01-31T10:00:00Z", "level": "SHOUT", "message": "x"}

    answer = runner.post(f"/api/job-executions/{given['execution_id']}/logs", **line)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "level"
