"""Changing many jobs over the API."""

from __future__ import annotations

import pytest

from apps.events.models import Event
from apps.jobs import services as jobs
from apps.jobs.models import Job
from apps.jobs.tasks import work_off_bulk_changes
from apps.processes import services as processes
from apps.tenancy import services as tenancy
from tests import api, make

pytestmark = pytest.mark.django_db

#: What every job has of its own, or of the moment it was made.
OF_EACH = {"id", "created_at", "available_at", "start_deadline"}


@pytest.fixture
def process():
    """A process in a tenant of its own."""
    return make.process(make.folder(make.tenant()), max_attempts=3, timeout=60, start_by=600, priority=4)


def in_tenant(process) -> dict[str, str]:
    return {"X-Tenant": process.tenant.slug}


def facts(job: Job) -> dict:
    """Everything that can be compared of a job."""
    return {
        field.attname: getattr(job, field.attname) for field in Job._meta.concrete_fields if field.name not in OF_EACH
    }


def test_a_change_is_counted_asked_for_and_worked_off(process):
    for _ in range(3):
        make.job(process)
    make.job(make.process(process.folder))
    root = api.root()
    body = {"action": "cancel", "filters": {"process": [process.pk], "status": ["pending"]}}

    counted = root.post("jobs/bulk-changes/preview", body, **in_tenant(process)).json()
    asked = root.post("jobs/bulk-changes", {**body, "reason": "wrong month"}, **in_tenant(process))
    work_off_bulk_changes()
    done = root.get(f"jobs/bulk-changes/{asked.json()['id']}").json()

    assert counted == {"count": 3}
    assert (asked.status_code, asked.json()["status"], asked.json()["expected"]) == (201, "pending", 3)
    assert (done["status"], done["done"], done["refused"]) == ("completed", 3, 0)
    assert Job.objects.filter(process=process, status="cancelled").count() == 3
    assert Job.objects.filter(status="pending").count() == 1


def test_priority_is_changed_by_moment(process):
    job = make.job(process)
    root = api.root()
    body = {"action": "prioritise", "filters": {"created_after": "2020-01-01T00:00:00Z"}, "priority": 99}

    root.post("jobs/bulk-changes", body, **in_tenant(process))
    work_off_bulk_changes()

    job.refresh_from_db()
    assert job.priority == 99


def test_a_retry_in_bulk_is_what_a_retry_of_each_would_be(process):
    ended = [make.job(process, parameters={"customer": "x"}, dedupe_key=key) for key in ("one", "two")]
    for job in ended:
        jobs.cancel_job(job, actor=make.SYSTEM)
    root = api.root()
    by_itself = Job.objects.get(pk=root.post(f"jobs/{ended[0].pk}/retry").json()["id"])

    root.post("jobs/bulk-changes", {"action": "retry", "filters": {"jobs": [ended[1].pk]}}, **in_tenant(process))
    work_off_bulk_changes()

    in_bulk = Job.objects.get(retry_of=ended[1])
    alike = {"retry_of_id": None, "dedupe_key": None, "created_by": None}
    assert {**facts(in_bulk), **alike} == {**facts(by_itself), **alike}
    assert in_bulk.start_deadline > in_bulk.available_at


def test_a_retry_in_bulk_is_told_as_other_jobs_are(process):
    job = make.job(process)
    jobs.cancel_job(job, actor=make.SYSTEM)
    root = api.root()

    root.post("jobs/bulk-changes", {"action": "retry", "filters": {"jobs": [job.pk]}}, **in_tenant(process))
    work_off_bulk_changes()

    again = Job.objects.get(retry_of=job)
    (told,) = again_events(again)
    (first,) = again_events(job)
    assert told == first


def again_events(job: Job) -> list[tuple]:
    """What was told of the making of a job."""
    rows = Event.objects.about(job).filter(type="job.created")
    return [(event.tenant_id, event.folder_id, event.subject_kind, event.data) for event in rows]


def test_a_retry_with_another_version_is_looked_at_one_by_one(process):
    fits, does_not = make.job(process, parameters={"amount": 3}), make.job(process, parameters={"customer": "x"})
    for job in (fits, does_not):
        jobs.cancel_job(job, actor=make.SYSTEM)
    name = process.package.name
    make.package_version(process.folder, name=name, version="2.0.0", source="def main(amount: int = 1): ...\n")
    root = api.root()

    asked = root.post(
        "jobs/bulk-changes", {"action": "retry", "filters": {"process": [process.pk]}}, **in_tenant(process)
    ).json()
    work_off_bulk_changes()

    done = root.get(f"jobs/bulk-changes/{asked['id']}").json()
    assert (done["done"], done["refused"]) == (1, 1)
    assert Job.objects.get(retry_of=fits).package_version_number == "2.0.0"


def test_a_retry_under_a_limit_per_value_keeps_its_value(process):
    job = make.job(process, parameters={"customer": "Jones"})
    jobs.cancel_job(job, actor=make.SYSTEM)
    processes.update_process(process, actor=make.SYSTEM, limit_parameter="customer", limit_per_value=1)

    api.root().post("jobs/bulk-changes", {"action": "retry", "filters": {"jobs": [job.pk]}}, **in_tenant(process))
    work_off_bulk_changes()

    assert Job.objects.get(retry_of=job).limit_value == "Jones"


def test_a_retry_of_what_a_disabled_process_ran_is_refused_and_the_rest_goes_on(process):
    other = make.process(process.folder)
    for of in (process, other):
        jobs.cancel_job(make.job(of), actor=make.SYSTEM)
    processes.disable_process(process, actor=make.SYSTEM)
    root = api.root()

    asked = root.post(
        "jobs/bulk-changes", {"action": "retry", "filters": {"status": ["cancelled"]}}, **in_tenant(process)
    ).json()
    work_off_bulk_changes()

    done = root.get(f"jobs/bulk-changes/{asked['id']}").json()
    assert (done["done"], done["refused"]) == (1, 1)


def test_only_jobs_that_one_may_change_are_concerned(process):
    job = make.job(process)
    make.job(make.process(tenancy.create_folder(process.tenant, actor=make.SYSTEM, name="Elsewhere")))
    operator = make.user("jobs.cancel_job", "jobs.view_job", inside=process.folder)
    elsewhere = api.Caller(make.user("jobs.cancel_job", inside=make.tenant()))
    body = {"action": "cancel", "filters": {"status": ["pending"]}}

    assert api.Caller(operator).post("jobs/bulk-changes/preview", body).json() == {"count": 1}
    assert elsewhere.post("jobs/bulk-changes/preview", body).json() == {"count": 0}
    assert api.fields_refused(elsewhere.post("jobs/bulk-changes/preview", body, **in_tenant(job))) == {"X-Tenant"}


def test_who_asked_for_a_change_sees_it_and_strangers_do_not(process):
    operator = api.Caller(make.user("jobs.cancel_job", "jobs.view_job", inside=process.folder))
    body = {"action": "cancel", "filters": {"status": ["pending"]}}

    asked = operator.post("jobs/bulk-changes", body)

    assert api.ids(operator.get("jobs/bulk-changes")) == [asked.json()["id"]]
    stranger = api.Caller(make.user("jobs.view_job", inside=make.tenant()))
    assert api.ids(stranger.get("jobs/bulk-changes")) == []


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"action": "cancel"}, {"filters"}),
        ({"action": "cancel", "filters": {}}, {"filters"}),
        ({"action": "cancel", "filters": {"status": []}}, {"filters"}),
        ({"action": "erase", "filters": {"status": ["pending"]}}, {"action"}),
        ({"action": "cancel", "filters": {"status": ["done"]}}, {"filters.status.0"}),
        ({"action": "cancel", "filters": {"colour": ["red"]}}, {"filters.colour"}),
        ({"action": "cancel", "filters": {"process": [7]}}, {"filters.process.0"}),
        ({"action": "cancel", "filters": {"status": ["pending"]}, "priority": 5}, {"priority"}),
        ({"action": "prioritise", "filters": {"status": ["pending"]}}, {"priority"}),
        ({"action": "prioritise", "filters": {"status": ["pending"]}, "priority": 5000}, {"priority"}),
    ],
)
def test_what_cannot_be_is_refused_by_name(process, body, fields):
    refused = api.root().post("jobs/bulk-changes", body, **in_tenant(process))

    assert api.fields_refused(refused) == fields


def test_bulk_changes_are_found_by_what_they_do(process):
    root = api.root()
    made = root.post(
        "jobs/bulk-changes", {"action": "retry", "filters": {"reason": ["timeout"]}}, **in_tenant(process)
    ).json()

    assert api.ids(root.get("jobs/bulk-changes", {"action": "retry"})) == [made["id"]]
    assert api.ids(root.get("jobs/bulk-changes", {"action": "cancel"})) == []


def test_lists_take_as_many_queries_for_five_rows_as_for_one(process, django_assert_num_queries):
    root = api.root()
    body = {"action": "retry", "filters": {"reason": ["timeout"]}}
    for _ in range(5):
        root.post("jobs/bulk-changes", body, **in_tenant(process))

    with django_assert_num_queries(3):
        root.get("jobs/bulk-changes", {"page_size": 1})
    with django_assert_num_queries(3):
        root.get("jobs/bulk-changes", {"page_size": 5})
