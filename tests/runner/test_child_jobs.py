"""Child jobs over HTTP: what a running job sends with its own token, and what it is answered."""

from __future__ import annotations

from typing import Any

import pytest

from apps.jobs import services as jobs
from apps.jobs.models import Execution, Job
from apps.processes import services as processes
from tests import api, make
from tests.jobs.reports import finish
from tests.runner.older import ROOTS
from tests.runner.test_job_tokens import Speaker, started

pytestmark = pytest.mark.django_db

CHILDREN = "/api/v1/runtime/jobs"


@pytest.fixture
def execution():
    """A lease on a job whose process may start jobs of one other."""
    parent = make.process(name="Parent")
    child = make.process(parent.folder, name="Invoices")
    processes.update_process(parent, actor=make.SYSTEM, may_start=[child])
    make.job(parent)
    return make.claimed(make.session(make.robot(of=parent.tenant)))


@pytest.fixture
def job(execution):
    """Its job, once it has begun."""
    return started(execution)


def keyed(job: Speaker, key: str, body: Any) -> Any:
    return job.client.post(CHILDREN, body, "application/json", headers={"Idempotency-Key": key})


@pytest.mark.parametrize("root", ROOTS)
def test_a_job_starts_reads_and_cancels_a_child(execution, job, root):
    made = job.post(f"{root}/runtime/jobs", {"process": "invoices", "parameters": {"customer": "Jones"}, "priority": 5})
    child = made.json()
    seen = job.get(f"{root}/runtime/jobs/{child['id']}")
    cancelled = job.post(f"{root}/runtime/jobs/{child['id']}/cancel")

    row = Job.objects.get(pk=child["id"])
    about = {"id": str(row.pk), "process": {"id": str(row.process_id), "name": "Invoices"}, "depth": 1}
    nothing = {"result": None, "error": None, "progress": None}
    assert (made.status_code, child) == (201, about | {"status": "pending"})
    assert (seen.status_code, seen.json()) == (200, about | nothing | {"status": "pending", "reason": ""})
    assert cancelled.json() == about | nothing | {"status": "cancelled", "reason": "cancelled"}
    assert (row.parent_id, row.parameters, row.priority) == (execution.job_id, {"customer": "Jones"}, 5)


def test_what_a_child_tells_and_returns_is_read(job):
    child = job.post(CHILDREN, {"process": "Invoices"}).json()
    running = make.claimed(make.session(make.robot(of=Job.objects.get(pk=child["id"]).tenant)))
    Execution.objects.filter(pk=running.pk).update(progress={"percent": 40})
    under_way = job.get(f"{CHILDREN}/{child['id']}").json()
    finish(running, result={"sum": 3})

    ended = job.get(f"{CHILDREN}/{child['id']}").json()
    kept = job.post(f"{CHILDREN}/{child['id']}/cancel").json()

    assert (under_way["status"], under_way["progress"]) == ("running", {"percent": 40})
    assert (ended["status"], ended["result"]) == ("completed", {"sum": 3})
    assert kept == ended


def test_the_same_key_starts_one_child(job):
    first = keyed(job, "once", {"process": "Invoices"})
    again = keyed(job, "once", {"process": "Invoices"})
    other = keyed(job, "once", {"process": "Invoices", "priority": 1})

    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 409)
    assert again.json() == first.json()
    assert Job.objects.filter(parent__isnull=False).count() == 1


def test_unknown_and_not_allowed_look_alike(execution, job):
    make.process(execution.folder, name="Payments")

    answers = [job.post(CHILDREN, {"process": name}) for name in ("Payments", "Parent", "Nowhere")]

    assert [(one.status_code, one.json()["code"]) for one in answers] == [(404, "unknown_process")] * 3


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "process"),
        ({"process": 7}, "process"),
        ({"process": "x" * 201}, "process"),
        ({"process": "Invoices", "parameters": []}, "parameters"),
        ({"process": "Invoices", "parameters": {"colour": "red"}}, "parameters.colour"),
        ({"process": "Invoices", "priority": "high"}, "priority"),
        ({"process": "Invoices", "priority": 1001}, "priority"),
        ({"process": "Invoices", "dedupe_key": 3}, "dedupe_key"),
    ],
)
def test_what_is_wrong_is_named(job, body, field):
    answer = job.post(CHILDREN, body)

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_a_job_that_shall_end_starts_no_others(execution, job):
    jobs.cancel_job(execution.job, actor=make.SYSTEM)

    answer = job.post(CHILDREN, {"process": "Invoices"})

    assert (answer.status_code, answer.json()["code"]) == (409, "job_ending")


def test_jobs_of_others_are_not_there(execution, job):
    strangers = [make.job(execution.job.process), make.job(), execution.job]

    read = [job.get(f"{CHILDREN}/{one.pk}").status_code for one in strangers]
    cancelled = [job.post(f"{CHILDREN}/{one.pk}/cancel").status_code for one in strangers]

    assert (read, cancelled) == ([404] * 3, [404] * 3)
    assert set(Job.objects.values_list("status", flat=True)) == {"pending", "running"}


def test_the_calls_take_no_robots_token(execution):
    robot, token = make.robot_with_token(of=execution.tenant)

    answers = [Speaker(token).post(CHILDREN, {"process": "Invoices"}), Speaker(token).get(f"{CHILDREN}/{robot.pk}")]

    assert [(one.status_code, one.json()["code"]) for one in answers] == [(403, "job_token_only")] * 2


def test_people_see_which_job_started_which(execution, job):
    child = job.post(CHILDREN, {"process": "Invoices"}).json()

    shown = api.root().get(f"jobs/{child['id']}").json()
    listed = api.root().get("jobs", {"parent": str(execution.job_id)})

    assert (shown["parent"], shown["depth"], shown["source"]) == (str(execution.job_id), 1, "job")
    assert api.ids(listed) == [child["id"]]
