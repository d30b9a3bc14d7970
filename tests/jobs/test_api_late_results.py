"""What robots delivered too late can be read."""

from __future__ import annotations

import uuid

import pytest

from apps.jobs import services as jobs
from apps.jobs.models import Job, LateKind, LateResult
from tests import api, make
from tests.jobs.reports import finish

pytestmark = pytest.mark.django_db


@pytest.fixture
def late():
    """What came of a job after it had been taken away."""
    execution = make.running_job()
    jobs.kill_job(execution.job, actor=make.SYSTEM)
    finish(execution, result={"booked": 3}, exit_code=0)
    return LateResult.objects.get()


def test_a_result_that_could_not_count_can_be_read(late):
    read = api.root().get(f"late-results/{late.pk}").json()

    assert (read["kind"], read["outcome"], read["job_id"]) == ("revoked", "completed", str(late.job_id))
    assert (read["result"], read["error"], read["exit_code"]) == ({"booked": 3}, None, 0)
    assert read["kept_at"].startswith("20")


def test_a_list_leaves_out_what_can_be_long(late):
    (row,) = api.root().get("late-results").json()["items"]

    assert row["id"] == str(late.pk)
    assert row.keys().isdisjoint({"result", "error"})


def test_they_are_found_by_job_robot_and_kind(late):
    root = api.root()
    other = uuid.uuid4()

    assert api.ids(root.get("late-results", {"job": late.job_id, "kind": "revoked"})) == [str(late.pk)]
    assert api.ids(root.get("late-results", {"robot": late.robot_id, "execution": late.execution_id})) == [str(late.pk)]
    assert api.ids(root.get("late-results", {"job": other})) == []
    assert api.ids(root.get("late-results", {"kind": "late"})) == []


def test_who_sees_the_job_sees_what_came_of_it_and_nobody_else(late):
    job = Job.objects.get(pk=late.job_id)
    of_folder = api.Caller(make.user("jobs.view_job", inside=job.folder))
    of_tenant = api.Caller(make.user("jobs.view_job", inside=job.tenant))
    stranger = api.Caller(make.user("jobs.view_job", inside=make.tenant()))

    assert [api.ids(caller.get("late-results")) for caller in (of_folder, of_tenant, stranger)] == [
        [str(late.pk)], [str(late.pk)], [],
    ]  # fmt: skip
    assert stranger.get(f"late-results/{late.pk}").status_code == 404


def test_one_without_a_job_shows_to_who_sees_the_whole_tenant(late):
    job = Job.objects.get(pk=late.job_id)
    unknown = LateResult.objects.create(
        tenant_id=job.tenant_id, lease_id=uuid.uuid4(), kind=LateKind.UNKNOWN_JOB, outcome="completed"
    )
    of_folder = api.Caller(make.user("jobs.view_job", inside=job.folder))
    of_tenant = api.Caller(make.user("jobs.view_job", inside=job.tenant))

    assert api.ids(of_tenant.get("late-results")) == [str(unknown.pk), str(late.pk)]
    assert api.ids(of_folder.get("late-results")) == [str(late.pk)]
